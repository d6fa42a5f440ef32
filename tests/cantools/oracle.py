"""What cantools makes of random frames of a database.

Writes, for each frame, a line `F <id> <data>`, then for each signal that cantools finds in it a line
`S <name> <raw> <physical>`; `R <reason>` where cantools refuses the frame. Identifiers have 3 or 8 hex digits.

usage: oracle.py FILE.dbc FRAMES SEED
"""

import random
import re
import sys

import cantools

# cantools refuses identifiers of opendbc's form `0x40000000 | mux << 16 | id`: it is shown them as 29-bit ones.
SELECTED = 0x40000000
EXTENDED = 0x80000000


def load(path):
    raw = open(path, "rb").read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    # cantools' grammar wants BS_ or BU_ behind NS_; a file that has neither is refused at its first message.
    if not re.search(r"^(BS_|BU_)", text, re.M):
        text = re.sub(r"^NS_ ?:.*?(?=^BO_ )", "", text, flags=re.M | re.S)
    # It renames signals to what this attribute says; we keep the names of the SG_ statements.
    text = re.sub(r'^BA_ "System(Signal|Message)LongSymbol" .*$', "", text, flags=re.M)

    def as_extended(match):
        number = int(match[2])
        if number & EXTENDED or not number & SELECTED:
            return match[0]
        return match[1] + str(EXTENDED | (number & ~SELECTED))

    text = re.sub(r"^((?:BO_|VAL_|CM_ BO_|CM_ SG_|SG_MUL_VAL_|SIG_VALTYPE_) +)(\d+)", as_extended, text, flags=re.M)
    # With strict, overlaps and signals outside of their message refuse the whole file.
    return cantools.database.load_string(text, "dbc", strict=False), {
        int(number) & 0x1FFFFFFF for number in re.findall(r"^BO_ (\d+)", raw.decode("latin-1"), re.M)
        if int(number) & EXTENDED == 0 and int(number) & SELECTED
    }


def bits_of(signal):
    """The signal's bits, least significant first, counted from that of byte 0."""
    if signal.byte_order == "little_endian":
        return [signal.start + place for place in range(signal.length)]
    first = signal.start ^ 7
    return [(first + signal.length - 1 - place) ^ 7 for place in range(signal.length)]


def write(data, signal, value):
    for place, bit in enumerate(bits_of(signal)):
        if bit // 8 < len(data):
            data[bit // 8] = data[bit // 8] & ~(1 << bit % 8) | (value >> place & 1) << bit % 8


def choose(rng, message, data):
    """Gives the multiplexors values that the database knows, from the root down."""
    for signal in message.signals:
        if signal.multiplexer_signal is None and signal.is_multiplexer:
            walk(rng, message, signal, data)


def walk(rng, message, multiplexor, data):
    children = [signal for signal in message.signals if signal.multiplexer_signal == multiplexor.name]
    if not children:
        return
    value = rng.choice(rng.choice(children).multiplexer_ids)
    write(data, multiplexor, value)
    for child in children:
        if child.is_multiplexer and value in child.multiplexer_ids:
            walk(rng, message, child, data)


def main():
    path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    database, selected = load(path)
    rng = random.Random(seed)
    out = []
    for index in range(count):
        message = database.messages[index % len(database.messages)]
        needs = max([message.length] + [max(bits_of(signal)) // 8 + 1 for signal in message.signals])
        multiplexed = any(signal.multiplexer_signal for signal in message.signals)
        # Some frames are too short; behind a multiplexor, cantools cannot tell what is missing.
        length = rng.randrange(message.length + 1) if rng.random() < 0.1 and not multiplexed else message.length
        # Signals outside of their message are only there in longer frames.
        padded = bytearray(rng.randbytes(max(length, needs if length == message.length else 0)))
        # Random bytes seldom are interesting numbers.
        if rng.random() < 0.1:
            padded[:] = bytes([rng.choice([0x00, 0xFF, 0x80, 0x7F])]) * len(padded)
        if multiplexed and rng.random() < 0.95:
            choose(rng, message, padded)
        if message.is_extended_frame and message.frame_id in selected:
            padded[:1] = [message.frame_id >> 16]
            wire = f"{message.frame_id & 0xFFFF:03X}"
        else:
            wire = f"{message.frame_id:08X}" if message.is_extended_frame else f"{message.frame_id:03X}"
        data = bytes(padded)
        out.append(f"F {wire} {data.hex()}")
        options = {"decode_choices": False, "allow_truncated": True, "allow_excess": True}
        try:
            raw = message.decode(data, scaling=False, **options)
            physical = message.decode(data, scaling=True, **options)
        except (cantools.database.DecodeError, KeyError) as error:
            out.append(f"R {type(error).__name__}")
            continue
        out.extend(f"S {name} {raw[name]!r} {physical[name]!r}" for name in raw)
        if len(out) > 10000:
            print("\n".join(out))
            out.clear()
    print("\n".join(out))


main()
