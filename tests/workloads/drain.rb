#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-2-Clause
#
# drain.rb FILE MIB_PER_S: a program whose main thread waits for a worker, which allocates. The handler of SIGTERM
# runs in the main thread, as all in Ruby do: it writes "drained" to FILE, which is all that counts.
path, rate = ARGV[0], ARGV[1].to_f
kept = []

trap('TERM') do
  File.write(path, "drained\n")
  exit!(0)
end

Thread.new do
  loop do
    kept << 'x' * (1 << 20)
    sleep(1 / rate) if rate < 1000
  end
end.join
