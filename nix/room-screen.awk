# Who is where in a room: from what nginx has sent (ADDRESS STATUS URI [OK]; see room.sh); the files `narinfos` and
# `leases` have what the cache says of its paths and what dnsmasq has handed out.
BEGIN {
  while ((getline line < narinfos) > 0) {
    split(line, word, " ")
    if (word[1] == "StorePath:") hash = substr(word[2], 12, 32)
    if (word[1] == "URL:") url = "/" word[2]
    if (word[1] == "NarSize:") {
      size_of[hash] = word[2]
      path["/" hash ".narinfo"] = path[url] = hash
    }
  }
  while ((getline line < leases) > 0) {
    split(line, word, " ")
    card[word[3]] = word[2]
  }
}

# What servers ask each other.
$3 == "/room/server" || $3 == "/room/hands-out" { next }

!known[$1]++ { order[++machines] = $1 }

# It starts, perhaps once more.
$3 == "/room/start.ipxe" {
  starts[$1]++
  state[$1] = "starts"
  rank[$1] = wanted[$1] = sent[$1] = 0
}

$3 ~ /answers\.yaml$/ { reaches("waiting", 1) }

# With this every look begins (NO_PATH in src/store/cached.rs): the one before was for another system, if the check came before the
# partitions.
$3 == "/00000000000000000000000000000000.narinfo" {
  look[$1]++
  wanted[$1] = sent[$1] = 0
}

$3 ~ /\.narinfo$/ {
  reaches("checking", 2)
  if (whole() && !wants[here(), look[$1]]++) {
    wanted[$1] += size_of[path[$3]]
    if (here() in got) sent[$1] += size_of[path[$3]]
  }
}

$3 ~ /^\/nar\// {
  reaches("copying", 3)
  if (whole() && !got[here()]++ && (here(), look[$1]) in wants) sent[$1] += size_of[path[$3]]
}

function whole() { return $2 == 200 && $4 == "OK" }

# The path for the machine, since it started.
function here() { return $1 SUBSEP starts[$1] SUBSEP path[$3] }

function reaches(name, number) {
  if (number > rank[$1]) {
    rank[$1] = number
    state[$1] = name
  }
}

END {
  printf "%d %s\n", machines, machines == 1 ? "machine" : "machines"
  for (i = 1; i <= machines; i++) {
    one = order[i]
    text = state[one]
    if (text == "copying" && wanted[one] > 0) {
      part = int(100 * sent[one] / wanted[one])
      text = sent[one] >= wanted[one] ? "done" : text " " part " %"
      text = sprintf("%-14s %d of %d MB", text, sent[one] / 1e6, wanted[one] / 1e6)
    }
    printf "%-15s  %-17s  %s\n", one, card[one], text
  }
}
