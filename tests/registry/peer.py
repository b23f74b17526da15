"""What Karapace answers to `questions.py`, kept in `karapace.jsonl`, held against what a registry answers.

`peer.py record URL`: asks a Karapace (no registry of packages has it: it is started from its source, by hand) and writes its answers down.
`compare(ask)`: asks again, in the same order; a difference is explained by a line of `diverges.txt`, and each line explains one.
"""
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

from questions import questions

HERE = pathlib.Path(__file__).parent
RECORDED = HERE / "karapace.jsonl"


def ask(url, method, path, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, method=method)
    request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            return error.code, json.loads(text or b"null")
        except ValueError:
            return error.code, None


def seen(status, answer):
    """What of an answer is held against another one: the wording of messages is each one's own."""
    if status >= 300:
        return status, answer.get("error_code") if isinstance(answer, dict) else None
    if isinstance(answer, dict):
        answer = {key: value for key, value in answer.items() if key not in ("message", "messages", "guid")}
        if isinstance(answer.get("schema"), str):
            try:
                answer["schema"] = json.loads(answer["schema"])
            except ValueError:
                pass
    return status, answer


def differs(theirs, ours):
    """Members that only ours has are no difference: they are Confluent's newer ones."""
    (their_status, their_answer), (our_status, our_answer) = theirs, ours
    if isinstance(their_answer, dict) and isinstance(our_answer, dict):
        our_answer = {key: value for key, value in our_answer.items() if key in their_answer}
    return their_status != our_status or their_answer != our_answer


def explanations():
    """`METHOD PATH | theirs | ours | why`: patterns of path and of both answers."""
    lines = [line for line in (HERE / "diverges.txt").read_text().splitlines() if line and not line.startswith("#")]
    return [[re.compile(part.strip()) for part in line.split(" | ")[:3]] for line in lines], lines


def compare(ask):
    """Complaints, and how many questions there were."""
    patterns, lines = explanations()
    used, complaints = set(), []
    recorded = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    asked = questions()
    if [one[:3] for one in recorded] != [list(one) for one in asked]:
        return ["karapace.jsonl was recorded with other questions: record it again"], len(asked)
    for method, path, body, status, answer in recorded:
        theirs, ours = seen(status, answer), seen(*ask(method, path, body))
        if not differs(theirs, ours):
            continue
        texts = (f"{method} {path}", *(json.dumps(one[1] if one[0] < 300 else list(one)) for one in (theirs, ours)))
        fits = [index for index, parts in enumerate(patterns) if all(p.fullmatch(t) for p, t in zip(parts, texts))]
        used.update(fits)
        if not fits:
            complaints.append(" | ".join(texts)[:400])
    complaints += [f"explains nothing any more: {line}" for index, line in enumerate(lines) if index not in used]
    return complaints, len(recorded)


if __name__ == "__main__":
    url = sys.argv[2]
    if sys.argv[1] == "record":
        with RECORDED.open("w") as out:
            for method, path, body in questions():
                out.write(json.dumps([method, path, body, *ask(url, method, path, body)], separators=(",", ":")) + "\n")
    else:
        complaints, count = compare(lambda *question: ask(url, *question))
        print("\n".join(complaints))
        print(f"{count} questions, {len(complaints)} complaints")
