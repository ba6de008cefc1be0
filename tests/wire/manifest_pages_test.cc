#include "wire/manifest_pages.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/sample_manifest.h"
#include "wire/manifest_assembler.h"

namespace qstore::wire {
namespace {

using ::testing::HasSubstr;

// Every page in a call of its own, as GetRevision does it.
std::vector<v1::ManifestPage> Pages(const model::Manifest& manifest) {
  std::vector<v1::ManifestPage> pages;
  PagePosition position;
  while (pages.size() < 1000) {
    ManifestPages source(
        &manifest, manifest.objects.size(),
        [&](size_t i) -> absl::StatusOr<const model::Object*> {
          return &manifest.objects[i];
        },
        position);
    absl::StatusOr<v1::ManifestPage> page = source.Next();
    EXPECT_TRUE(page.ok()) << page.status();
    pages.push_back(*std::move(page));
    if (source.done()) break;
    const auto token =
        ParsePageToken(PageToken(manifest.revision, source.position()));
    EXPECT_TRUE(token.ok()) << token.status();
    position = token->position;
  }
  return pages;
}

absl::StatusOr<model::Manifest> Assemble(
    const std::vector<v1::ManifestPage>& pages) {
  ManifestAssembler assembler;
  for (const v1::ManifestPage& page : pages) {
    const absl::Status status = assembler.Add(page);
    if (!status.ok()) return status;
  }
  return assembler.Take();
}

void ExpectEqual(const model::Manifest& a, const model::Manifest& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.revision, b.revision);
  EXPECT_EQ(a.created_unix_seconds, b.created_unix_seconds);
  EXPECT_EQ(a.quantizer, b.quantizer);
  EXPECT_EQ(a.tags, b.tags);
  EXPECT_EQ(a.stored, b.stored);
  EXPECT_EQ(a.original_bytes, b.original_bytes);
  EXPECT_EQ(a.two_copies_bytes, b.two_copies_bytes);
  EXPECT_TRUE(a.files == b.files);
  EXPECT_TRUE(a.objects == b.objects);
}

TEST(ManifestPagesTest, ASmallManifestIsOnePage) {
  model::Manifest manifest = model::SampleManifest();
  manifest.created_unix_seconds = 1'700'000'000;
  manifest.tags = {"latest", "v1"};
  manifest.stored.Add(2, 17);
  manifest.stored.AddOther(3);
  manifest.original_bytes = 11;
  manifest.two_copies_bytes = 12;
  const std::vector<v1::ManifestPage> pages = Pages(manifest);
  EXPECT_EQ(pages.size(), 1u);
  const absl::StatusOr<model::Manifest> read = Assemble(pages);
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectEqual(*read, manifest);
}

TEST(ManifestPagesTest, AnEmptyManifestToo) {
  const absl::StatusOr<model::Manifest> read = Assemble(Pages({}));
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectEqual(*read, {});
}

// 60,000 tensors in one file, and one object of 30,000 chunks: both go over
// the borders of pages.
TEST(ManifestPagesTest, PagesOfALargeManifestStaySmall) {
  model::Manifest manifest;
  manifest.revision = std::string(64, 'b');
  model::File& file = manifest.files.emplace_back();
  file.path = "model.safetensors";
  file.safetensors = true;
  for (size_t i = 0; i < 60'000; ++i) {
    manifest.objects.push_back(model::PlainTensor(Dtype::kF32, {2}, 8));
    file.segments.push_back(
        {i, "model.layers." + std::to_string(i) + ".weight", 8});
    file.size_bytes += 8;
  }
  model::Object opaque;
  for (int i = 0; i < 30'000; ++i) {
    opaque.chunks.push_back(model::PlainChunk(2));
  }
  opaque.raw_bytes = 60'000;
  manifest.objects.push_back(opaque);
  manifest.files.push_back({.path = "x.bin",
                            .size_bytes = 60'000,
                            .safetensors = false,
                            .segments = {{60'000, "", 60'000}}});
  const std::vector<v1::ManifestPage> pages = Pages(manifest);
  EXPECT_GT(pages.size(), 5u);
  for (const v1::ManifestPage& page : pages) {
    EXPECT_LT(page.ByteSizeLong(), kPageBytes + 4096);
  }
  const absl::StatusOr<model::Manifest> read = Assemble(pages);
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectEqual(*read, manifest);
}

TEST(ManifestPagesTest, ErrorsOfTheSourceEndThePages) {
  const model::Manifest manifest = model::SampleManifest();
  ManifestPages pages(&manifest, manifest.objects.size(),
                      [](size_t) -> absl::StatusOr<const model::Object*> {
                        return absl::DataLossError("gone");
                      });
  EXPECT_EQ(pages.Next().status().code(), absl::StatusCode::kDataLoss);
}

TEST(PageTokenTest, RefusesWhatNoAnswerHad) {
  const std::string id(64, 'c');
  EXPECT_TRUE(ParsePageToken(id + ".o.12.3").ok());
  for (const std::string& token :
       {std::string("x"), id, id + ".f.1", id + ".q.1.2", id + ".f.-1.0",
        id + ".f.1.2.3", id.substr(1) + ".f.1.2",
        id + ".f.99999999999999999999.0",
        id + ".f.1." + std::string(100, '1')}) {
    EXPECT_EQ(ParsePageToken(token).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
  }
}

class HostilePagesTest : public ::testing::Test {
 protected:
  std::string Refusal(
      const std::function<void(std::vector<v1::ManifestPage>*)>& change) {
    std::vector<v1::ManifestPage> pages = Pages(model::SampleManifest());
    change(&pages);
    const absl::StatusOr<model::Manifest> read = Assemble(pages);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(read.status().message());
  }
};

TEST_F(HostilePagesTest, OrderAndCounts) {
  EXPECT_THAT(Refusal([](auto* pages) { pages->push_back(pages->front()); }),
              HasSubstr("follows the last"));
  EXPECT_THAT(Refusal([](auto* pages) { pages->front().set_last(false); }),
              HasSubstr("last page is missing"));
  EXPECT_THAT(Refusal([](auto* pages) { pages->front().clear_head(); }),
              HasSubstr("head"));
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().mutable_head()->set_object_count(9);
              }),
              HasSubstr("9 objects"));
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().mutable_files(0)->set_continued(true);
              }),
              HasSubstr("did not begin"));
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().mutable_objects(0)->set_continued(true);
              }),
              HasSubstr("did not begin"));
  // However many, no page is taken that brings the manifest no further.
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().set_last(false);
                pages->emplace_back();
              }),
              HasSubstr("page 1 of the manifest: it adds nothing"));
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().set_last(false);
                pages->front().clear_objects();
                pages->emplace_back().add_files()->set_continued(true);
              }),
              HasSubstr("goes on with nothing"));
  EXPECT_THAT(Refusal([](auto* pages) {
                pages->front().set_last(false);
                pages->emplace_back().add_objects()->set_continued(true);
              }),
              HasSubstr("goes on with nothing"));
}

TEST_F(HostilePagesTest, NumbersThatNothingHas) {
  const auto object =
      [&](const std::function<void(v1::ObjectManifest*)>& change) {
        return Refusal(
            [&](auto* pages) { change(pages->front().mutable_objects(1)); });
      };
  EXPECT_THAT(object([](auto* o) { o->set_dtype(v1::Dtype(99)); }),
              HasSubstr("dtype 99"));
  EXPECT_THAT(object([](auto* o) { o->set_content_hash("abc"); }),
              HasSubstr("content hash has 3"));
  EXPECT_THAT(object([](auto* o) {
                o->mutable_quantization()->set_strategy(v1::ScaleStrategy(300));
              }),
              HasSubstr("300"));
  EXPECT_THAT(object([](auto* o) {
                o->mutable_chunks(0)->mutable_layers(0)->set_layer(257);
              }),
              HasSubstr("no layer 257"));
  EXPECT_THAT(
      object([](auto* o) {
        o->mutable_chunks(0)->mutable_layers(1)->mutable_blobs(0)->set_subgroup(
            256);
      }),
      HasSubstr("no subgroup 256"));
  EXPECT_THAT(
      Refusal([](auto* pages) {
        pages->front().mutable_files(0)->mutable_segments(1)->set_object_index(
            uint64_t{1} << 60);
      }),
      HasSubstr("names object"));
}

}  // namespace
}  // namespace qstore::wire
