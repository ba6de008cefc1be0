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
