# What shells do: pipes, subshells, jobs, traps, descriptors of their own, many short programs.

set -eu
cd "$1"
exec 7>kept 9<&0
# shellcheck disable=SC2012
ls /proc/self/fd | paste -sd" " | sed "s/^/descriptors /"
(exec 3<&-; echo "subshell $BASH_SUBSHELL")
seq 1000 | while read -r number; do echo $((number * 2)); done | sort -n | tail -n 1
cat <(echo substituted) <(echo twice)
for i in {1..20}; do (sleep 0.0"$i"; echo "$i" >"job.$i") & done
wait
cat job.* | sort -n | paste -sd' '
trap 'echo trapped' USR1
kill -USR1 $$
# It stays until its input ends: bash forgets the descriptors of a coprocess that has gone.
coproc reader { read -r line; echo "got $line"; cat; }
echo question >&"${reader[1]}"
read -r answer <&"${reader[0]}"
echo "$answer"
eval "exec ${reader[1]}>&-"
for i in {1..50}; do /bin/true; done
echo kept >&7
exec 7>&-
cat kept
(exit 3) || echo "status $?"
bash -c 'kill -TERM $$' || echo "status $?"
