// SPDX-License-Identifier: BSD-2-Clause

import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;

/**
 * An index of records in memory.
 *
 * Heap N: builds one of N, looks each up, and exits 0 if all are there.
 * Heap grow STATE: adds records until SIGTERM, then writes to STATE how many there are. How many
 * there are so far is printed after every 1000.
 */
public final class Heap {
	private static final int SIZE = 1024;
	private static final Map<String, byte[]> index = new HashMap<>();
	private static volatile boolean stopping;

	private Heap() {
	}

	private static void add() {
		byte[] row = new byte[SIZE];

		row[SIZE - 1] = (byte) index.size();
		index.put("key-" + index.size(), row);
	}

	private static int countGood() {
		int good = 0;

		for (int i = 0; i < index.size(); i++)
			if (index.get("key-" + i)[SIZE - 1] == (byte) i)
				good++;
		return good;
	}

	private static void write(String state) {
		try (FileOutputStream file = new FileOutputStream(state + ".tmp")) {
			file.write((countGood() + "\n").getBytes());
			file.getFD().sync();
			Files.move(Path.of(state + ".tmp"), Path.of(state),
				   StandardCopyOption.ATOMIC_MOVE);
		} catch (IOException e) {
			System.err.println("Heap: " + e);
		}
	}

	private static void grow(String state) {
		Thread growing = Thread.currentThread();

		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			stopping = true;
			try {
				growing.join();
			} catch (InterruptedException e) {
				return;
			}
			write(state);
		}));
		while (!stopping) {
			add();
			if (index.size() % 1000 == 0)
				System.out.println(index.size());
		}
	}

	public static void main(String[] args) {
		if (args[0].equals("grow")) {
			grow(args[1]);
			return;
		}

		int count = Integer.parseInt(args[0]);

		while (index.size() < count)
			add();
		System.exit(countGood() == count ? 0 : 1);
	}
}
