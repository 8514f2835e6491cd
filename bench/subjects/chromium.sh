# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Chromium: a page keeps records, and how many there are in its local storage. Sourced by program.

chromium=$DIR/chromium

prepare_chromium() {
	need chromium python3 mkfifo
	mkdir -p "$chromium"
	ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$DIR/python"
	cat >"$chromium/grow.html" <<-'EOF'
		<script>
		const records = [];
		function add() {
			for (let i = 0; i < 1000; i++)
				records.push(new Uint8Array(1000).fill(1));
			localStorage.setItem('count', records.length);
			console.log(records.length);
			setTimeout(add, 0);
		}
		add();
		</script>
	EOF
	cat >"$chromium/check.html" <<-'EOF'
		<p>
		<script>
		document.querySelector('p').textContent = `count ${localStorage.getItem('count')}`;
		</script>
	EOF
}

browse() { # OPTION...
	chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
		--user-data-dir="$chromium/profile" "$@" 2>"$chromium/log"
}

# Its code is to be charged to it, so the page cache of it goes first: what is read again when it has been
# dropped is why a browser may hang at its limit. What looks at the browser is outside, no part of it.
grow_chromium() {
	for file in /usr/lib/chromium/chromium "$(readlink -f "$(command -v chromium)")"; do
		[ ! -e "$file" ] || dd if="$file" iflag=nocache count=0 2>/dev/null
	done
	rm -rf "$chromium/profile" "$chromium/commands" "$chromium/events"
	mkfifo "$chromium/commands" "$chromium/events"
	browse --remote-debugging-pipe about:blank 3<"$chromium/commands" 4>"$chromium/events" &
	browser=$!
	(
		echo 0 >"$OUTSIDE/cgroup.procs"
		exec "$DIR/python" "$HERE/devtools.py" "$chromium/commands" "$chromium/events" \
			"file://$chromium/grow.html"
	)
	wait "$browser"
}

check_chromium() { # COUNT
	have=$(browse --dump-dom "file://$chromium/check.html" | sed -n 's/.*count \([0-9]*\).*/\1/p')
	[ "$have" -ge "$1" ]
}
