#include "base/hash.h"

#include <gtest/gtest.h>

namespace qstore {
namespace {

// The values of other implementations: what is on disk depends on them.
TEST(HashTest, Xxh3IsThePublishedFunction) {
  EXPECT_EQ(Xxh3({}), 0x2d06800538d394c2u);
  EXPECT_EQ(Xxh3(AsBytes("abc")), 0x78af5f94892f3950u);
}

// Vector code is chosen at run time from 241 bytes on. The values are those of
// the library's scalar code and of xxhsum.
TEST(HashTest, Xxh3OfLongInputsIsThePublishedFunction) {
  ByteVector bytes(5000);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i % 251);
  }
  EXPECT_EQ(Xxh3(ByteView(bytes).first(241)), 0x02e8cd95421c6d02u);
  EXPECT_EQ(Xxh3(ByteView(bytes).first(1024)), 0xe5d78bafa45b2aa5u);
  EXPECT_EQ(Xxh3(bytes), 0xb418500fc42320eeu);
}

// Whatever is in its buffer when it is saved.
TEST(HashTest, Xxh3StreamGoesOnFromWhatWasSaved) {
  ByteVector bytes(5000);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i * i >> 3);
  }
  const ByteView all(bytes);
  for (size_t cut = 0; cut <= all.size(); cut += cut < 600 ? 1 : 97) {
    Xxh3Stream before;
    before.Update(all.first(cut));
    const std::string saved = before.Save();
    Xxh3Stream after;
    after.Update(all.first(100));  // of no importance
    ASSERT_TRUE(after.Restore(AsBytes(saved))) << cut;
    EXPECT_EQ(after.Digest(), Xxh3(all.first(cut))) << cut;
    after.Update(all.subspan(cut));
    EXPECT_EQ(after.Digest(), Xxh3(all)) << cut;
  }
}

TEST(HashTest, Xxh3StreamRefusesWhatItDidNotSave) {
  Xxh3Stream stream;
  stream.Update(AsBytes(std::string(1000, 'x')));
  const std::string saved = stream.Save();
  EXPECT_FALSE(stream.Restore({}));
  EXPECT_FALSE(stream.Restore(AsBytes(saved.substr(1))));
  EXPECT_FALSE(stream.Restore(AsBytes(saved + "x")));
  // Version, numbers and digest; the buffer's bytes that do not count may
  // differ.
  for (const size_t position : {0u, 8u, 328u, 335u, 336u, 344u, 352u, 359u}) {
    std::string wrong = saved;
    wrong[position] = static_cast<char>(wrong[position] ^ 0x40);
    EXPECT_FALSE(stream.Restore(AsBytes(wrong))) << position;
  }
  EXPECT_TRUE(stream.Restore(AsBytes(saved)));
}

TEST(HashTest, Xxh3InPiecesIsThatOfTheWhole) {
  ByteVector bytes(5000);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i % 251);
  }
  Xxh3Stream stream;
  EXPECT_EQ(stream.Digest(), Xxh3({}));
  stream.Update(ByteView(bytes).first(700));
  Xxh3Stream copy(stream);
  stream.Update(ByteView(bytes).subspan(700));
  EXPECT_EQ(stream.Digest(), Xxh3(bytes));
  // The copy has not moved, and goes on by itself.
  EXPECT_EQ(copy.Digest(), Xxh3(ByteView(bytes).first(700)));
  copy.Update(ByteView(bytes).subspan(700, 300));
  EXPECT_EQ(copy.Digest(), Xxh3(ByteView(bytes).first(1000)));
  stream = copy;
  EXPECT_EQ(stream.Digest(), Xxh3(ByteView(bytes).first(1000)));
}

TEST(HashTest, Sha256IsThePublishedFunction) {
  EXPECT_EQ(HexEncode(Sha256Of({})),
            "e3b0c44298fc1c149afbf4c8996fb924"
            "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexEncode(Sha256Of(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
}

TEST(HashTest, Sha256OfPartsIsThatOfTheWholeAndIsReusable) {
  Sha256 hash;
  for (int round = 0; round < 2; ++round) {
    hash.Update(AsBytes("a"));
    hash.Update({});
    hash.Update(AsBytes("bc"));
    EXPECT_EQ(hash.Finish(), Sha256Of(AsBytes("abc")));
  }
}

TEST(HashTest, HexEncodesEveryNibble) {
  EXPECT_EQ(
      HexEncode(ByteVector{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}),
      "0123456789abcdef");
  EXPECT_EQ(HexEncode({}), "");
}

}  // namespace
}  // namespace qstore
