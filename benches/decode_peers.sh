#!/usr/bin/env bash
# cantools' time per frame on the database of benches/decode.rs, for comparison with it: 58 messages, random frames.
# Makes its own virtual environment below target/.
set -euo pipefail
cd "$(dirname "$0")/.."

dbc="${TELLTALE_DATA:-../shared/data}/dbc/toyota_new_mc_pt_generated.dbc"
venv=target/tmp/cantools
if ! "$venv/bin/python" -c 'import cantools' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet 'cantools==45.1.*'
fi

"$venv/bin/python" - "$dbc" <<'PYTHON'
import random, statistics, sys, time
import cantools

FRAMES, ROUNDS = 20_000, 5
database = cantools.database.load_file(sys.argv[1], strict=False)
rng = random.Random(20261121)
frames = []
while len(frames) < FRAMES:
    message, data = rng.choice(database.messages), rng.randbytes(8)
    try:  # it cannot unpack some frames of messages with signals that overlap
        database.decode_message(message.frame_id, data[: message.length], decode_choices=False)
    except cantools.database.DecodeError:
        continue
    frames.append((message.frame_id, data[: message.length]))
times = []
for _ in range(ROUNDS):
    begin = time.perf_counter()
    for frame_id, data in frames:
        database.decode_message(frame_id, data, decode_choices=False)
    times.append((time.perf_counter() - begin) / FRAMES * 1e9)
print(f"cantools {cantools.__version__}     {statistics.median(times):8.1f} ns/frame")
PYTHON
