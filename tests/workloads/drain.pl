#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# drain.pl FILE MIB_PER_S: a program that allocates, and whose handler of SIGTERM runs between two of its
# operations, as all in Perl do: it writes "drained" to FILE, which is all that counts.
use strict;
use warnings;

my ($path, $rate) = @ARGV;
my @kept;

$SIG{TERM} = sub {
	open(my $file, '>', $path) or die "$path: $!\n";
	print $file "drained\n";
	close($file);
	exit(0);
};
while (1) {
	push @kept, 'x' x (1 << 20);
	select(undef, undef, undef, 1 / $rate) if $rate < 1000; # sleep() knows whole seconds only
}
