// Run a client that was written for port 8766 against another port, unchanged, and give it audio.
//   node run_spec_node.js CLIENT.js AUDIO_PORT AUDIO_FILE
// What the client logs goes to standard output. The end of standard input ends the run.
'use strict';

const fs = require('fs');
const vm = require('vm');
const WebSocket = require('ws');

const CHUNK_BYTES = 3200; // 100 ms of 16 kHz PCM16
const CHUNK_INTERVAL_MS = 50; // twice as fast as speech

const [client, port, audioFile] = process.argv.slice(2);

class WebSocketElsewhere extends WebSocket {
    constructor(address, ...options) {
        super(address.replace(':8766', `:${port}`), ...options);
        this.on('open', () => sendAll(fs.readFileSync(audioFile)));
    }
}

const context = vm.createContext({
    console,
    Buffer,
    require: (name) => (name === 'ws' ? WebSocketElsewhere : require(name)),
});

async function sendAll(audio) {
    for (let start = 0; start < audio.length; start += CHUNK_BYTES) {
        context.sendAudio(audio.subarray(start, start + CHUNK_BYTES));
        await new Promise((resolve) => setTimeout(resolve, CHUNK_INTERVAL_MS));
    }
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
vm.runInContext(fs.readFileSync(client, 'utf8'), context, { filename: client });
