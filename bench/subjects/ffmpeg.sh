# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# ffmpeg: writes an MP4 file, whose index comes last, and holds all frames to play them backwards.
# Sourced by program.

film=$DIR/film.mp4

prepare_ffmpeg() {
	need ffmpeg ffprobe
}

# Not to an output of their own: progress is told once there is something in each.
grow_ffmpeg() {
	rm -f "$film"
	ffmpeg -nostdin -loglevel error -stats_period 0.02 -progress pipe:1 \
		-f lavfi -i testsrc2=size=640x360 \
		-filter_complex '[0] split [film] [held]; [held] reverse, nullsink' \
		-map '[film]' -c:v mpeg4 "$film" |
		awk -F = '/^frame=/ { print $2; fflush() }'
}

check_ffmpeg() { # COUNT
	have=$(ffprobe -loglevel error -count_frames -show_entries stream=nb_read_frames \
		-print_format csv=p=0 "$film")
	[ "$have" -ge "$1" ]
}
