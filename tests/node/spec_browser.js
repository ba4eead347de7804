// Connect to WebSocket
const audioWs = new WebSocket('ws://localhost:8766');

// Send audio data
function sendAudioChunk(audioData) {
    const base64Audio = btoa(String.fromCharCode.apply(null, audioData));
    audioWs.send(JSON.stringify({
        type: 'audio_chunk',
        data: base64Audio
    }));
}

// Handle transcription results
audioWs.onmessage = (event) => {
    const data = JSON.parse(event.data);
    if (data.type === 'realtime_transcription') {
        updateRealtimeDisplay(data.text);
    } else if (data.type === 'final_transcription') {
        updateFinalDisplay(data.text, data);
    }
};
