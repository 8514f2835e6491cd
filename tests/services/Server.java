// SPDX-License-Identifier: BSD-2-Clause

import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Server SOCKET RECORDS: see lines.sh. A shutdown hook writes its records. */
public final class Server {
	private static final List<String> records = Collections.synchronizedList(new ArrayList<>());
	private static final List<Object> leaked = Collections.synchronizedList(new ArrayList<>());

	private static boolean isOver;

	private Server() {
	}

	/** What is not saved is not acknowledged: from here on nothing is. */
	private static void save(Path keptIn) {
		Path made = Path.of(keptIn + ".new");

		try (FileOutputStream file = new FileOutputStream(made.toFile())) {
			synchronized (records) {
				isOver = true;
				for (String record : records)
					file.write((record + "\n").getBytes());
			}
			file.getFD().sync();
			Files.move(made, keptIn, StandardCopyOption.ATOMIC_MOVE);
		} catch (IOException e) {
			e.printStackTrace();
		}
	}

	private static String answer(String[] words) throws IOException {
		switch (words[0]) {
		case "add":
			synchronized (records) {
				if (isOver)
					throw new IOException("stopped");
				records.add(words[1]);
			}
			return words[1];
		case "count":
			return String.valueOf(records.size());
		case "leak":
			leaked.add(new byte[Integer.parseInt(words[1]) << 10]);
			return "0";
		case "grow":
			for (;;)
				leaked.add(new long[100]);
		default:
			return "0";
		}
	}

	private static void serve(SocketChannel channel) {
		try (channel;
		     BufferedReader in = new BufferedReader(new InputStreamReader(Channels.newInputStream(channel)));
		     PrintWriter out = new PrintWriter(Channels.newOutputStream(channel), true)) {
			for (String line = in.readLine(); line != null; line = in.readLine())
				out.println(answer(line.split(" ")));
		} catch (IOException e) {
			// Its client is gone.
		}
	}

	public static void main(String[] arguments) throws IOException {
		Path keptIn = Path.of(arguments[1]);

		if (Files.exists(keptIn))
			records.addAll(Files.readAllLines(keptIn));
		Runtime.getRuntime().addShutdownHook(new Thread(() -> save(keptIn)));
		try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
			server.bind(UnixDomainSocketAddress.of(arguments[0]));
			for (;;) {
				SocketChannel channel = server.accept();

				new Thread(() -> serve(channel)).start();
			}
		}
	}
}
