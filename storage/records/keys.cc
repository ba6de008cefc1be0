#include "storage/records/keys.h"

#include "base/bytes.h"

namespace qstore::storage {
namespace {

constexpr char kModelSeparator = '\0';

template <typename T>
void AppendBigEndian(T value, std::string* key) {
  for (int shift = (static_cast<int>(sizeof(T)) - 1) * 8; shift >= 0;
       shift -= 8) {
    key->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

template <typename T>
T LoadBigEndian(std::string_view from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8) | static_cast<uint8_t>(from[i]));
  }
  return value;
}

std::string WithModel(std::string key, std::string_view model,
                      std::string_view rest) {
  key.append(model);
  key.push_back(kModelSeparator);
  key.append(rest);
  return key;
}

}  // namespace

std::string DataKey::Encode() const {
  std::string key;
  key.reserve(kDataKeyBytes);
  AppendBigEndian(object_id, &key);
  AppendBigEndian(chunk_index, &key);
  key.push_back(static_cast<char>(subgroup));
  AppendBigEndian(value_index, &key);
  return key;
}

std::optional<DataKey> DataKey::Decode(std::string_view key) {
  if (key.size() != kDataKeyBytes) return std::nullopt;
  return DataKey{LoadBigEndian<uint64_t>(key),
                 LoadBigEndian<uint32_t>(key.substr(sizeof(uint64_t))),
                 static_cast<uint8_t>(key[12]),
                 LoadBigEndian<uint16_t>(key.substr(13))};
}

std::string DataKeyBound(uint64_t object_id) {
  std::string key;
  AppendBigEndian(object_id, &key);
  return key;
}

std::optional<uint64_t> LeadingId(std::string_view key) {
  if (key.size() < sizeof(uint64_t)) return std::nullopt;
  return LoadBigEndian<uint64_t>(key);
}

std::string FormatVersionKey() { return "f"; }
std::string NextIdKey() { return "n"; }

std::string ObjectPrefix() { return "o/"; }
std::string ObjectKey(uint64_t object_id) {
  std::string key = ObjectPrefix();
  AppendBigEndian(object_id, &key);
  return key;
}

std::string HashKey(const Sha256Digest& content_hash) {
  return std::string("h/").append(AsStringView(content_hash));
}

std::string ReferencePrefix() { return "x/"; }
std::string ReferencePrefix(uint64_t object_id) {
  std::string key = ReferencePrefix();
  AppendBigEndian(object_id, &key);
  key.push_back('/');
  return key;
}
std::string ReferenceKey(uint64_t object_id, std::string_view model,
                         std::string_view revision) {
  return WithModel(ReferencePrefix(object_id), model, revision);
}

std::string RevisionKey(std::string_view model, std::string_view revision) {
  return WithModel("r/", model, revision);
}

std::string ListingPrefix() { return "l/"; }
std::string ListingPrefix(std::string_view model) {
  return WithModel(ListingPrefix(), model, {});
}
std::string ListingKey(std::string_view model, std::string_view revision) {
  return WithModel(ListingPrefix(), model, revision);
}

std::string TagPrefix() { return "t/"; }
std::string TagPrefix(std::string_view model) {
  return WithModel(TagPrefix(), model, {});
}
std::string TagKey(std::string_view model, std::string_view tag) {
  return WithModel(TagPrefix(), model, tag);
}

std::string UnfinishedPrefix() { return "u/"; }
std::string UnfinishedKey(uint64_t checkpoint_id) {
  std::string key = UnfinishedPrefix();
  AppendBigEndian(checkpoint_id, &key);
  return key;
}

std::string PrefixEnd(std::string prefix) {
  prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

std::optional<ModelAndRest> SplitAtModel(std::string_view text) {
  const size_t separator = text.find(kModelSeparator);
  if (separator == std::string_view::npos) return std::nullopt;
  return ModelAndRest{std::string(text.substr(0, separator)),
                      std::string(text.substr(separator + 1))};
}

}  // namespace qstore::storage
