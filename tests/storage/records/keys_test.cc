#include "storage/records/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"

namespace qstore::storage {
namespace {

std::string Hex(std::string_view key) { return HexEncode(AsBytes(key)); }

TEST(KeysTest, DataKeysAreBigEndian) {
  EXPECT_EQ(Hex(DataKey{0x0102030405060708, 0x0a0b0c0d, 0xfe, 0x1314}.Encode()),
            "01020304050607080a0b0c0dfe1314");
  // The example of docs/format.md.
  EXPECT_EQ(Hex(DataKey{258, 1, 3, 2}.Encode()),
            "000000000000010200000001030002");
  EXPECT_EQ(DataKey().Encode().size(), kDataKeyBytes);
  EXPECT_EQ(Hex(DataKeyBound(258)), "0000000000000102");
}

TEST(KeysTest, DataKeysSortByNumber) {
  std::vector<std::string> keys;
  for (const uint64_t id : {0ull, 1ull, 255ull, 256ull, ~0ull}) {
    for (const uint32_t chunk : {0u, 255u, 256u, ~0u}) {
      for (const int subgroup : {0, 127, 128, 255}) {
        for (const int value : {0, 255, 256, 65'535}) {
          keys.push_back(DataKey{id, chunk, static_cast<uint8_t>(subgroup),
                                 static_cast<uint16_t>(value)}
                             .Encode());
        }
      }
    }
  }
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_LT(DataKeyBound(256), DataKey({256, 0, 0, 0}).Encode());
  EXPECT_GT(DataKeyBound(256), DataKey({255, ~0u, 255, 65'535}).Encode());
}

TEST(KeysTest, DecodeTakesExactlyWhatEncodeGives) {
  const DataKey key{1u << 20, 77, 200, 40'000};
  const auto decoded = DataKey::Decode(key.Encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->object_id, key.object_id);
  EXPECT_EQ(decoded->chunk_index, key.chunk_index);
  EXPECT_EQ(decoded->subgroup, key.subgroup);
  EXPECT_EQ(decoded->value_index, key.value_index);
  EXPECT_FALSE(DataKey::Decode(key.Encode() + "x").has_value());
  EXPECT_FALSE(DataKey::Decode("short").has_value());
  // As they were in format 1.
  EXPECT_FALSE(DataKey::Decode(key.Encode().substr(0, 13)).has_value());
  EXPECT_FALSE(LeadingId("1234567").has_value());
  EXPECT_EQ(*LeadingId(key.Encode()), 1u << 20);
}

TEST(KeysTest, ManifestKeysAreAsDocumented) {
  EXPECT_EQ(FormatVersionKey(), "f");
  EXPECT_EQ(NextIdKey(), "n");
  EXPECT_EQ(Hex(ObjectKey(3)), "6f2f0000000000000003");
  EXPECT_EQ(Hex(HashKey(Sha256Digest{0xab})), "682fab" + std::string(62, '0'));
  EXPECT_EQ(Hex(ReferenceKey(3, "m", "ff")), "782f00000000000000032f6d006666");
  EXPECT_EQ(RevisionKey("org/m", "ab"), std::string("r/org/m\0ab", 10));
  EXPECT_EQ(ListingKey("org/m", "ab"), std::string("l/org/m\0ab", 10));
  EXPECT_EQ(TagKey("org/m", "v1"), std::string("t/org/m\0v1", 10));
}

TEST(KeysTest, PrefixesHoldTheirKeysAndNoOthers) {
  const auto holds = [](const std::string& prefix, const std::string& key) {
    return prefix <= key && key < PrefixEnd(prefix);
  };
  EXPECT_TRUE(holds(ObjectPrefix(), ObjectKey(0)));
  EXPECT_TRUE(holds(ObjectPrefix(), ObjectKey(~0ull)));
  EXPECT_FALSE(holds(ObjectPrefix(), NextIdKey()));
  EXPECT_TRUE(holds(ReferencePrefix(7), ReferenceKey(7, "z", "f")));
  EXPECT_FALSE(holds(ReferencePrefix(7), ReferenceKey(8, "a", "0")));
  EXPECT_TRUE(holds(ListingPrefix("org/m"), ListingKey("org/m", "ff")));
  EXPECT_FALSE(holds(ListingPrefix("org/m"), ListingKey("org/m2", "00")));
  EXPECT_FALSE(holds(ListingPrefix("org/m"), ListingKey("org/m-x", "00")));
  EXPECT_TRUE(holds(TagPrefix("m"), TagKey("m", "zz")));
}

TEST(KeysTest, SplitsAtTheModel) {
  const auto split = SplitAtModel(std::string_view("org/m\0abc", 9));
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->model, "org/m");
  EXPECT_EQ(split->rest, "abc");
  EXPECT_FALSE(SplitAtModel("org/m").has_value());
}

}  // namespace
}  // namespace qstore::storage
