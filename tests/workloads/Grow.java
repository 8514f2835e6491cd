// SPDX-License-Identifier: BSD-2-Clause

// Grow.java: a Java program that collects arrays in rememberRow(), without end. First it warms up, so
// that this is compiled, says "warm", and waits for a line. Started as a source file: `java Grow.java`.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

public class Grow {
	static final List<byte[]> rows = new ArrayList<>();

	static void rememberRow(int bytes) {
		byte[] row = new byte[bytes];

		Arrays.fill(row, (byte) 1);
		rows.add(row);
	}

	static void serve(int count, int bytes) {
		for (int i = 0; i < count; i++)
			rememberRow(bytes);
	}

	public static void main(String[] arguments) throws Exception {
		for (int i = 0; i < 20000; i++) {
			serve(20, 16);
			rows.clear();
		}
		System.out.println("warm");
		System.in.read();
		while (true)
			serve(20, 256 * 1024);
	}
}
