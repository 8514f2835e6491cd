#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause

// An index of records in memory.
//
// heap.js N: builds one of N, looks each up, and exits 0 if all are there.
// heap.js grow STATE: adds 100 records in each turn of its event loop until SIGTERM, then writes to
// STATE how many there are. How many there are so far is printed after every 1000.
'use strict';
const fs = require('fs');

const index = new Map();
let stopping = false;

function add() {
	index.set(`key-${index.size}`, {values: new Array(80).fill(index.size)});
}

function countGood() {
	let good = 0;

	for (let i = 0; i < index.size; i++)
		good += index.get(`key-${i}`).values[79] === i;
	return good;
}

function build(count) {
	while (index.size < count)
		add();
	process.exit(countGood() === count ? 0 : 1);
}

function grow(state) {
	if (stopping) {
		const fd = fs.openSync(state + '.tmp', 'w', 0o600);

		fs.writeSync(fd, `${countGood()}\n`);
		fs.fsyncSync(fd);
		fs.closeSync(fd);
		fs.renameSync(state + '.tmp', state);
		process.exit(0);
	}
	for (let i = 0; i < 100; i++)
		add();
	if (index.size % 1000 === 0)
		fs.writeSync(1, `${index.size}\n`);
	setImmediate(grow, state);
}

if (process.argv[2] === 'grow') {
	process.on('SIGTERM', () => { stopping = true; });
	grow(process.argv[3]);
} else {
	build(Number(process.argv[2]));
}
