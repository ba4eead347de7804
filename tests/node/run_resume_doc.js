// Run the JavaScript client of docs/resume.md: blocks of AUDIO_FILE in real time, finals to stdout.
//   node run_resume_doc.js CLIENT.js URL AUDIO_FILE
'use strict';

const fs = require('fs');

const CHUNK_BYTES = 3200; // 100 ms of 16 kHz PCM16
const CHUNK_INTERVAL_MS = 100;

const [client, url, audioFile] = process.argv.slice(2);
globalThis.WebSocket ??= require('ws').WebSocket;
const Speaker = eval(`${fs.readFileSync(client, 'utf8')}; Speaker`);

const audio = fs.readFileSync(audioFile);
const speaker = new Speaker(url, (text) => console.log(text));
let start = 0;
const timer = setInterval(() => {
    if (start < audio.length) speaker.say(audio.subarray(start, start + CHUNK_BYTES));
    else clearInterval(timer);
    start += CHUNK_BYTES;
}, CHUNK_INTERVAL_MS);
process.stdin.on('end', () => process.exit()).resume();
