<?php
// SPDX-License-Identifier: BSD-2-Clause

// grow.php: a PHP program that collects arrays in remember_row(), without end.

$rows = [];

function remember_row(array &$rows): void
{
	$rows[] = range(0, 16383);
}

while (true) {
	remember_row($rows);
	usleep(1000); // as much as 250 MiB/s
}
