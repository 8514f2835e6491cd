#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause

// grow.js STATE [MAX_MIB [IDLE_S]]: a Node program that collects Buffers, one per turn of its event
// loop, until SIGTERM; then it shuts down. First it is idle for so long.
'use strict';
const fs = require('fs');

const state = process.argv[2];
const max = Number(process.argv[3] || 4096);
const idle_s = Number(process.argv[4] || 0);
const rows = [];
let stopping = false;

// The same form as the victim's: a reason, padding, a checksum of all before it.
function writeState(reason) {
	let text = `reason ${reason}\n`;
	for (let i = 0; i < 1024; i++)
		text += String(i).padStart(63, '0') + '\n';
	let checksum = 2166136261;
	for (const byte of Buffer.from(text))
		checksum = Math.imul(checksum ^ byte, 16777619) >>> 0;
	const fd = fs.openSync(state + '.tmp', 'w', 0o600);
	fs.writeSync(fd, text + 'checksum ' + checksum.toString(16).padStart(8, '0') + '\n');
	fs.fsyncSync(fd);
	fs.closeSync(fd);
	fs.renameSync(state + '.tmp', state);
}

function rememberRow() {
	rows.push(Buffer.alloc(256 * 1024, 1));
}

function grow() {
	if (stopping || rows.length >= 4 * max) {
		writeState(stopping ? 'signal' : 'max');
		process.exit(0);
	}
	rememberRow();
	setImmediate(grow);
}

process.on('SIGTERM', () => { stopping = true; });
setTimeout(grow, 1000 * idle_s);
