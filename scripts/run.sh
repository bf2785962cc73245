#!/bin/bash
# Runs a server in the foreground of the terminal: run.sh PROGRAM ARGUMENT…
# Ctrl-C then reaches the server alone, which drains and stops, and not the make
# around it, which would call an orderly stop an error. Away from a terminal the
# program simply takes this script's place.
set -euo pipefail

# The program gets a process group of its own, which owns the terminal until it
# ends. Signals to this script are handed on. Ctrl-Z is ignored: the shell that
# could resume a stopped group is not watching it.
# shellcheck disable=SC2016
foreground='
use POSIX ();
my $before = POSIX::tcgetpgrp(0);
exec @ARGV if $before != getpgrp;
$SIG{TTOU} = "IGNORE";
my $pid = fork // die "run: cannot fork: $!\n";
if ($pid == 0) {
	POSIX::setpgid(0, 0);
	POSIX::tcsetpgrp(0, $$);
	$SIG{TTOU} = "DEFAULT";
	$SIG{TSTP} = "IGNORE";
	exec @ARGV;
	die "run: cannot start $ARGV[0]: $!\n";
}
POSIX::setpgid($pid, $pid);
$SIG{$_} = sub { kill TERM => $pid } for qw(INT TERM HUP);
1 while waitpid($pid, 0) < 0;
my $status = $?;
POSIX::tcsetpgrp(0, $before);
exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
'
if [ -t 0 ] && command -v perl >/dev/null; then
	exec perl -e "$foreground" -- "$@"
fi
exec "$@"
