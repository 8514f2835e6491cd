#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause

// drain.js FILE MIB_PER_S: a service whose worker thread allocates while its main thread waits in the event
// loop, where handlers of signals run. At SIGTERM it writes "drained" to FILE, which is all that counts.
'use strict';
const fs = require('fs');
const { Worker, isMainThread, workerData } = require('worker_threads');

if (isMainThread) {
	process.on('SIGTERM', () => {
		fs.writeFileSync(process.argv[2], 'drained\n');
		process.exit(0);
	});
	new Worker(__filename, { workerData: Number(process.argv[3]) });
	setInterval(() => {}, 1000000);
} else {
	const kept = [];
	const never = new Int32Array(new SharedArrayBuffer(4));
	const begin = Date.now();

	for (;;) {
		kept.push(Buffer.alloc(1 << 20, kept.length + 1));
		const ahead = kept.length / workerData * 1000 - (Date.now() - begin);
		if (ahead > 1)
			Atomics.wait(never, 0, 0, ahead);
	}
}
