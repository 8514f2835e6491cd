// SPDX-License-Identifier: BSD-2-Clause

// server.js SOCKET RECORDS: see lines.sh. SIGTERM ends it once its records are written.
'use strict';
const fs = require('fs');
const net = require('net');
const readline = require('readline');

const [path, keptIn] = process.argv.slice(2);
const records = fs.existsSync(keptIn) ? fs.readFileSync(keptIn, 'utf8').split('\n').filter(Boolean) : [];
const leaked = [];

// A part in each turn of the event loop.
function grow() {
	for (let i = 0; i < 1000; i++)
		leaked.push(new Array(100).fill(leaked.length));
	setImmediate(grow);
}

function answer(word, value) {
	switch (word) {
	case 'add':
		records.push(value);
		return value;
	case 'count':
		return records.length;
	case 'leak':
		leaked.push(Buffer.alloc(value * 1024, 1));
		return 0;
	case 'grow':
		grow();
		return null;
	default:
		return 0;
	}
}

function save() {
	const fd = fs.openSync(keptIn + '.new', 'w', 0o600);

	fs.writeSync(fd, records.map(record => `${record}\n`).join(''));
	fs.fsyncSync(fd);
	fs.closeSync(fd);
	fs.renameSync(keptIn + '.new', keptIn);
	process.exit(0);
}

process.on('SIGTERM', save);
net.createServer(connection => {
	connection.on('error', () => {});
	readline.createInterface({input: connection}).on('line', line => {
		const reply = answer(...line.split(' '));

		if (reply !== null)
			connection.write(`${reply}\n`);
	});
}).listen(path);
