#include "base/text/glob.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace qstore {
namespace {

constexpr size_t kNotFound = std::string_view::npos;
constexpr size_t kWordBits = 64;

// Whether it goes on with a UTF-8 character, and begins none.
bool Continues(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

// A piece is what stands between two stars: bytes and question marks. The
// position after `piece` at the front of `text`.
size_t MatchFront(std::string_view piece, std::string_view text) {
  size_t t = 0;
  for (const char wanted : piece) {
    if (t == text.size()) return kNotFound;
    if (wanted == '?') {
      do {
        ++t;
      } while (t < text.size() && Continues(text[t]));
    } else if (text[t++] != wanted) {
      return kNotFound;
    }
  }
  return t;
}

// The position where `piece` begins that ends with `text`.
size_t MatchBack(std::string_view piece, std::string_view text) {
  size_t t = text.size();
  for (size_t p = piece.size(); p > 0; --p) {
    if (piece[p - 1] == '?') {
      while (t > 0 && Continues(text[t - 1])) --t;
      if (t-- == 0) return kNotFound;
    } else if (t == 0 || text[--t] != piece[p - 1]) {
      return kNotFound;
    }
  }
  return t;
}

// The end of the first `piece`, of bytes alone, in `text`; by Knuth, Morris and
// Pratt.
size_t FindBytes(std::string_view piece, std::string_view text) {
  // Of each beginning of the piece, how much of its own beginning ends it.
  absl::InlinedVector<uint32_t, 64> borders(piece.size(), 0);
  size_t border = 0;
  for (size_t i = 1; i < piece.size(); ++i) {
    while (border > 0 && piece[i] != piece[border])
      border = borders[border - 1];
    if (piece[i] == piece[border]) ++border;
    borders[i] = static_cast<uint32_t>(border);
  }
  size_t matched = 0;
  for (size_t t = 0; t < text.size(); ++t) {
    while (matched > 0 && text[t] != piece[matched]) {
      matched = borders[matched - 1];
    }
    if (text[t] == piece[matched]) ++matched;
    if (matched == piece.size()) return t + 1;
  }
  return kNotFound;
}

// The same with question marks, all beginnings at once: bit i says that the
// first i + 1 of the piece end here (Shift-And).
size_t FindCharacters(std::string_view piece, std::string_view text) {
  const size_t word_count = (piece.size() + kWordBits - 1) / kWordBits;
  // What of the piece a byte fits, by byte.
  std::vector<uint64_t> fits(256 * word_count, 0);
  std::vector<uint64_t> any(word_count, 0);  // its question marks
  for (size_t i = 0; i < piece.size(); ++i) {
    const uint64_t bit = uint64_t{1} << (i % kWordBits);
    const size_t word = i / kWordBits;
    if (piece[i] != '?') {
      fits[static_cast<uint8_t>(piece[i]) * word_count + word] |= bit;
      continue;
    }
    any[word] |= bit;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (!Continues(static_cast<char>(byte))) {
        fits[byte * word_count + word] |= bit;
      }
    }
  }
  const uint64_t last_bit = uint64_t{1} << ((piece.size() - 1) % kWordBits);
  std::vector<uint64_t> ends(word_count, 0);
  for (size_t t = 0; t < text.size(); ++t) {
    const uint64_t* fit = &fits[static_cast<uint8_t>(text[t]) * word_count];
    // A question mark takes the whole of a character.
    const uint64_t stay = Continues(text[t]) ? ~uint64_t{0} : 0;
    uint64_t carry = 1;
    for (size_t word = 0; word < word_count; ++word) {
      const uint64_t next = (ends[word] << 1) | carry;
      carry = ends[word] >> (kWordBits - 1);
      ends[word] = (next & fit[word]) | (ends[word] & any[word] & stay);
    }
    if ((ends[word_count - 1] & last_bit) != 0) return t + 1;
  }
  return kNotFound;
}

size_t FindPiece(std::string_view piece, std::string_view text) {
  if (piece.size() > text.size()) return kNotFound;
  return piece.find('?') == std::string_view::npos
             ? FindBytes(piece, text)
             : FindCharacters(piece, text);
}

}  // namespace

// The pieces are looked for from left to right: where the first one ends first,
// most is left for those after it, and no choice is ever taken back.
bool GlobMatch(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return MatchFront(pattern, text) == text.size();
  }
  const size_t begin = MatchFront(pattern.substr(0, star), text);
  if (begin == kNotFound) return false;
  text.remove_prefix(begin);
  const size_t last_star = pattern.rfind('*');
  const size_t end = MatchBack(pattern.substr(last_star + 1), text);
  if (end == kNotFound) return false;
  text = text.substr(0, end);
  while (star != last_star) {
    const size_t next = pattern.find('*', star + 1);
    const std::string_view piece = pattern.substr(star + 1, next - star - 1);
    star = next;
    if (piece.empty()) continue;
    const size_t piece_end = FindPiece(piece, text);
    if (piece_end == kNotFound) return false;
    text.remove_prefix(piece_end);
  }
  return true;
}

}  // namespace qstore
