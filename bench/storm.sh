#!/bin/sh
# Icinga 2 and Bheka side by side under a storm of simulated agents: table, plots and figures go to
# target/bench/. Only loopback is used. Usage: bench/storm.sh [quick|full|reloads|steady] [OPTION ...]
#
#   quick    2,000 agents: start, reload, network cut, kill; about ten minutes
#   full     10,000 agents with P-256 and RSA-4096 keys, all scenarios, three rounds; hours
#   reloads  100 reloads of Bheka in a row with 10,000 agents
#   steady   17,000 agents connected for ten minutes
#
# What follows the first word is handed on: bench/storm.sh quick --agents 500 --master bheka
set -eu
cd "$(dirname "$0")/.."
suite=${1:-quick}
[ $# -eq 0 ] || shift
out=target/bench/storm-$suite
cargo build --release -p bheka -p bheka-bench
storm() {
    target/release/bheka-bench storm --out "$out" "$@"
}
case $suite in
quick)
    storm --agents 2000 --scenario start,reload,cut,kill "$@"
    ;;
full)
    storm --agents 10000 --key p256,rsa4096 --master-key p256,rsa4096 --rounds 3 \
        --scenario start,reload,cut,kill,busy,blackhole "$@"
    out=$out-dial-in
    storm --agents 2000,10000 --rounds 3 --scenario dial-in "$@"
    ;;
reloads)
    storm --agents 10000 --master bheka --reloads 100 --scenario start,reload "$@"
    ;;
steady)
    storm --agents 17000 --minutes 10 --scenario start,steady "$@"
    ;;
*)
    echo "unknown suite '$suite': quick, full, reloads or steady" >&2
    exit 1
    ;;
esac
