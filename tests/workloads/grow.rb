#!/usr/bin/env ruby
# SPDX-License-Identifier: BSD-2-Clause
#
# grow.rb RESULT: a Ruby program that collects strings in remember_row, until SIGTERM: then it writes in which
# lines its strings were made, with their bytes, largest first, and ends.
require 'objspace'

ObjectSpace.trace_object_allocations_start
rows = []
stopping = false
trap('TERM') { stopping = true }

def remember_row(rows)
  rows << 'x' * (256 * 1024)
end

remember_row(rows) until stopping

places = Hash.new(0)
ObjectSpace.each_object(String) do |string|
  place = "#{ObjectSpace.allocation_sourcefile(string)}:#{ObjectSpace.allocation_sourceline(string)}"
  places[place] += ObjectSpace.memsize_of(string)
end
File.open(ARGV[0], 'w') do |file|
  places.sort_by { |_, bytes| -bytes }.each { |place, bytes| file.puts "#{place} #{bytes}" }
end
