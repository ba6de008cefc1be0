#include "base/hash.h"

#include <openssl/evp.h>
#define XXH_STATIC_LINKING_ONLY  // for the members of XXH3_state_t
#include <xxhash.h>
#if defined(__x86_64__)
// The library itself is compiled for SSE2; this makes XXH3_64bits choose AVX2
// or AVX-512 at run time.
#include <xxh_x86dispatch.h>
#endif

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace qstore {
namespace {

// Hashing fails only for want of memory or by a libcrypto without SHA-256; no
// caller could go on, and none may take a wrong digest for a right one.
void RequireSuccess(bool succeeded) {
  if (succeeded) return;
  std::fputs("cannot compute hashes\n", stderr);
  std::abort();
}

XXH3_state_t* Xxh3State(void* state) {
  return static_cast<XXH3_state_t*>(state);
}

// What differs between two streams that began alike: the rest of a state is
// set by its reset, and holds an address.
struct SavedXxh3 {
  uint64_t version;
  uint64_t acc[8];
  uint8_t buffer[XXH3_INTERNALBUFFER_SIZE];
  uint64_t buffered_bytes;
  uint64_t stripe_count;
  uint64_t total_bytes;
  uint64_t digest;
};
static_assert(sizeof(SavedXxh3) == 104 + XXH3_INTERNALBUFFER_SIZE);
static_assert(sizeof(XXH3_state_t::acc) == sizeof(SavedXxh3::acc) &&
              sizeof(XXH3_state_t::buffer) == sizeof(SavedXxh3::buffer));

EVP_MD_CTX* Context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

uint64_t Xxh3(ByteView bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Xxh3Stream::Xxh3Stream() : state_(XXH3_createState()) {
  RequireSuccess(state_ != nullptr);
  XXH3_64bits_reset(Xxh3State(state_));
}

Xxh3Stream::Xxh3Stream(const Xxh3Stream& other) : state_(XXH3_createState()) {
  RequireSuccess(state_ != nullptr);
  XXH3_copyState(Xxh3State(state_), Xxh3State(other.state_));
}

Xxh3Stream& Xxh3Stream::operator=(const Xxh3Stream& other) {
  if (this != &other) {
    XXH3_copyState(Xxh3State(state_), Xxh3State(other.state_));
  }
  return *this;
}

Xxh3Stream::~Xxh3Stream() { XXH3_freeState(Xxh3State(state_)); }

void Xxh3Stream::Update(ByteView bytes) {
  XXH3_64bits_update(Xxh3State(state_), bytes.data(), bytes.size());
}

uint64_t Xxh3Stream::Digest() const {
  return XXH3_64bits_digest(Xxh3State(state_));
}

std::string Xxh3Stream::Save() const {
  const XXH3_state_t& state = *Xxh3State(state_);
  SavedXxh3 saved{};
  saved.version = XXH_versionNumber();
  std::memcpy(saved.acc, state.acc, sizeof(saved.acc));
  std::memcpy(saved.buffer, state.buffer, sizeof(saved.buffer));
  saved.buffered_bytes = state.bufferedSize;
  saved.stripe_count = state.nbStripesSoFar;
  saved.total_bytes = state.totalLen;
  saved.digest = Digest();
  return {reinterpret_cast<const char*>(&saved), sizeof(saved)};
}

bool Xxh3Stream::Restore(ByteView bytes) {
  SavedXxh3 saved{};
  if (bytes.size() != sizeof(saved)) return false;
  std::memcpy(&saved, bytes.data(), sizeof(saved));
  XXH3_state_t& state = *Xxh3State(state_);
  XXH3_64bits_reset(&state);
  // What is out of bounds must not reach the library.
  if (saved.version != XXH_versionNumber() ||
      saved.buffered_bytes > sizeof(saved.buffer) ||
      saved.stripe_count > state.nbStripesPerBlock) {
    return false;
  }
  std::memcpy(state.acc, saved.acc, sizeof(saved.acc));
  std::memcpy(state.buffer, saved.buffer, sizeof(saved.buffer));
  state.bufferedSize = static_cast<XXH32_hash_t>(saved.buffered_bytes);
  state.nbStripesSoFar = static_cast<size_t>(saved.stripe_count);
  state.totalLen = saved.total_bytes;
  return Digest() == saved.digest;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  RequireSuccess(context_ != nullptr);
  RequireSuccess(EVP_DigestInit_ex(Context(context_), EVP_sha256(), nullptr) ==
                 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(Context(context_)); }

void Sha256::Update(ByteView bytes) {
  RequireSuccess(
      EVP_DigestUpdate(Context(context_), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::Finish() {
  Sha256Digest digest;
  unsigned digest_bytes = 0;
  RequireSuccess(
      EVP_DigestFinal_ex(Context(context_), digest.data(), &digest_bytes) == 1);
  RequireSuccess(digest_bytes == digest.size());
  RequireSuccess(EVP_DigestInit_ex(Context(context_), EVP_sha256(), nullptr) ==
                 1);
  return digest;
}

Sha256Digest Sha256Of(ByteView bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

std::string HexEncode(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace qstore
