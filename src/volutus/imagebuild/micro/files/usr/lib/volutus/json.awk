# Flattens one JSON document: a line for each leaf, the parts of its path and its value separated by tabs.
# A line break within a string stays `\n`.
{ text = text $0 " " }
END { value("") }

function value(path,    number) {
  if (peek() == "{") {
    advance()
    if (peek() == "}") { advance(); return }
    do { peek(); number = string(); peek(); advance(); value(path number "\t"); peek() } while (advance() == ",")
  } else if (peek() == "[") {
    advance()
    if (peek() == "]") { advance(); return }
    number = 0
    do { value(path number "\t"); number++; peek() } while (advance() == ",")
  } else if (peek() == "\"") {
    print path string()
  } else {
    match(text, /^[^],} \t\r]*/)
    print path substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
  }
}

function string(    found) {
  if (!match(text, /^"([^"\\]|\\.)*"/)) { text = ""; return "" }
  found = substr(text, 2, RLENGTH - 2)
  text = substr(text, RLENGTH + 1)
  gsub(/\\\//, "/", found)
  gsub(/\\"/, "\"", found)
  gsub(/\\\\/, "\\", found)
  return found
}

function peek() {
  sub(/^[ \t\r]+/, "", text)
  return substr(text, 1, 1)
}

function advance(    first) {
  first = substr(text, 1, 1)
  text = substr(text, 2)
  return first
}
