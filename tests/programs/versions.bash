# What git does: many processes, pipes between them, locks, a daemon's worth of forks.

set -eu
cd "$1"
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git config --global user.name Legacy
git config --global user.email legacy@example.org
git config --global init.defaultBranch main
git init --quiet first
cd first
for i in {1..20}; do
    seq "$i" 200 >"file.$((i % 5))"
    git add .
    git commit --quiet -m "change $i"
done
git branch side HEAD~5
git checkout --quiet side
echo other >other
git add other
git commit --quiet -m side
git checkout --quiet main
git merge --quiet --no-edit side
git log --oneline | cat
git diff --stat HEAD~3
git rebase --quiet --onto HEAD~8 HEAD~4 side
git rev-parse HEAD side
git gc --quiet --prune=now
git fsck --strict --no-progress
cd ..
git clone --quiet "file://$PWD/first" second
git -C second rev-parse HEAD
git -C second archive HEAD | tar -t | sort
