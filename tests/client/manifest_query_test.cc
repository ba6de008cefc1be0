#include "client/manifest_query.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

class ManifestQueryTest : public ::testing::Test {
 protected:
  absl::StatusOr<model::Manifest> Ask(const ModelReference& reference) {
    const auto connection = server_.Connect();
    return FetchManifest(connection.get(), reference, &cancellation_);
  }
  absl::StatusOr<model::Manifest> Ask() {
    return Ask({.model = "org/model", .tag = "latest", .revision_prefix = ""});
  }

  // What is said of answers that were spoilt.
  void ExpectRefused(
      const std::function<void(std::vector<v1::GetRevisionResponse>*)>& spoil,
      absl::StatusCode code, const std::string& text) {
    server_.Serve(many_);
    spoil(&server_.revision_pages);
    const auto manifest = Ask();
    EXPECT_EQ(manifest.status().code(), code) << manifest.status();
    EXPECT_THAT(std::string(manifest.status().message()), HasSubstr(text));
  }
  void ExpectRefusedHead(const std::function<void(v1::ManifestHead*)>& edit,
                         const std::string& text) {
    ExpectRefused(
        [&](std::vector<v1::GetRevisionResponse>* pages) {
          v1::ManifestPage page;
          ASSERT_TRUE(page.ParseFromString(pages->front().page().serialized()));
          edit(page.mutable_head());
          SetChecked(page, pages->front().mutable_page());
        },
        absl::StatusCode::kInternal, text);
  }

  const FakeModel many_ = ModelOfManyPages();
  FakeServer server_;
  Cancellation cancellation_;
};

TEST_F(ManifestQueryTest, PutsPagesTogether) {
  server_.Serve(many_);
  const auto manifest = Ask();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_TRUE(manifest->files == many_.manifest().files);
  EXPECT_TRUE(manifest->objects == many_.manifest().objects);
  EXPECT_EQ(manifest->stored, many_.manifest().stored);
  EXPECT_EQ(manifest->tags, many_.manifest().tags);
  const size_t page_count = many_.Pages().size();
  ASSERT_GT(page_count, 1u);
  ASSERT_EQ(server_.revision_requests.size(), page_count);
  EXPECT_EQ(server_.revision_requests[0].page_token(), "");
  EXPECT_EQ(server_.revision_requests[1].page_token(), "1");
}

TEST_F(ManifestQueryTest, NoticesDamageAndContradictions) {
  using Pages = std::vector<v1::GetRevisionResponse>;
  ExpectRefused([](Pages* pages) { (*pages)[1].mutable_page()->set_xxh3(1); },
                absl::StatusCode::kDataLoss, "checksum");
  ExpectRefused(
      [](Pages* pages) {
        pages->front().mutable_page()->mutable_serialized()->front() ^= 1;
      },
      absl::StatusCode::kDataLoss, "checksum");
  ExpectRefused([](Pages* pages) { pages->front().clear_page(); },
                absl::StatusCode::kDataLoss, "checksum");
  ExpectRefused([](Pages* pages) { pages->front().clear_next_page_token(); },
                absl::StatusCode::kInternal, "last page is missing");
  ExpectRefused([](Pages* pages) { pages->back().set_next_page_token("1"); },
                absl::StatusCode::kInternal, "follows the last");
  ExpectRefused([](Pages* pages) { (*pages)[1] = (*pages)[0]; },
                absl::StatusCode::kInternal, "has a head");
  // For ever.
  ExpectRefused(
      [](Pages* pages) {
        SetChecked(v1::ManifestPage(), (*pages)[1].mutable_page());
        (*pages)[1].set_next_page_token("1");
      },
      absl::StatusCode::kInternal, "it adds nothing");
  ExpectRefusedHead([](v1::ManifestHead* head) { head->set_file_count(9); },
                    "announces 9 files");
  ExpectRefusedHead([](v1::ManifestHead* head) { head->set_original_bytes(9); },
                    "but it says 9");
}

TEST_F(ManifestQueryTest, TakesNoOtherModelOrRevision) {
  ExpectRefusedHead([](v1::ManifestHead* head) { head->set_model("org/x"); },
                    "when asked for org/model");
  ExpectRefusedHead([](v1::ManifestHead* head) { head->set_revision("x"); },
                    "when asked for org/model");
  server_.Serve(many_);
  const ModelReference reference = {
      .model = "org/model", .tag = "", .revision_prefix = "aaaaaaaab"};
  EXPECT_EQ(Ask(reference).status().code(), absl::StatusCode::kInternal);
  const auto connection = server_.Connect();
  EXPECT_EQ(ResolveRevision(connection.get(), reference, &cancellation_)
                .status()
                .code(),
            absl::StatusCode::kInternal);
  const auto resolved = ResolveRevision(
      connection.get(),
      {.model = "org/model", .tag = "", .revision_prefix = "aaaaaaaa"},
      &cancellation_);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->revision, std::string(64, 'a'));
}

}  // namespace
}  // namespace qstore::client
