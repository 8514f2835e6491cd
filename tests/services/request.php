<?php
// SPDX-License-Identifier: BSD-2-Clause
[$word, $value] = explode('=', $_SERVER['QUERY_STRING'] . '=');
switch ($word) {
case 'add':
	file_put_contents(__DIR__ . '/records', "$value\n", FILE_APPEND);
	echo $value;
	break;
case 'grow':
	for ($n = 0; ; $n++)
		$array[] = "record $n";
case 'leak':
	$bytes = $value * 1024;
	FFI::memset(FFI::new("char[$bytes]", false, true), 1, $bytes);
	echo getmypid();
	break;
default:
	echo 0;
}
