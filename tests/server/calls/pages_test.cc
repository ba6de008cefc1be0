// Answers that come in pages: each small enough for a client with gRPC's own
// limits, all together complete.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/calls/kept_listings.h"
#include "tests/server/server_fixture.h"
#include "wire/manifest_assembler.h"
#include "wire/manifest_pages.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::Eq;

// A file of tensors of eight bytes each, no two of them alike.
std::string ManyTensors(uint32_t count, uint8_t seed) {
  SafetensorsHeader header;
  std::string content;
  for (uint64_t i = 0; i < count; ++i) {
    header.tensors.push_back({"model.layers." + std::to_string(i / 1000) +
                                  ".mlp.experts." + std::to_string(i % 1000) +
                                  ".down_proj.bias",
                              Dtype::kF32,
                              {2},
                              content.size(),
                              content.size() + 8});
    uint8_t bytes[8];
    StoreLittleEndian<uint64_t>(i << 8 | seed, bytes);
    content += AsStringView(bytes);
  }
  return std::string(AsStringView(WriteSafetensorsHeader(header))) + content;
}

class PagesTest : public ServerTest {
 protected:
  grpc::Status GetPage(const v1::Reference& reference, const std::string& token,
                       v1::GetRevisionResponse* response) {
    grpc::ClientContext context;
    v1::GetRevisionRequest request;
    *request.mutable_reference() = reference;
    request.set_page_token(token);
    return stub_->GetRevision(&context, request, response);
  }
  grpc::Status ListPage(const v1::ListModelsRequest& request,
                        v1::ListModelsResponse* response) {
    grpc::ClientContext context;
    return stub_->ListModels(&context, request, response);
  }

  // All pages of the request; checks the size of each.
  std::vector<v1::ListModelsResponse> ListAll(v1::ListModelsRequest request) {
    std::vector<v1::ListModelsResponse> pages;
    do {
      v1::ListModelsResponse& page = pages.emplace_back();
      const grpc::Status status = ListPage(request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(page.ByteSizeLong(), wire::kPageBytes + (64u << 10));
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty() && pages.size() < 1000);
    return pages;
  }

  void AddTags(const std::string& model, int count) {
    for (int i = 0; i < count; ++i) {
      const absl::Status status =
          daemon_->store()
              .SetTag({model, "latest", ""}, "tag-" + std::to_string(i))
              .status();
      ASSERT_TRUE(status.ok()) << status;
    }
  }
};

TEST_F(PagesTest, SixtyThousandTensors) {
  constexpr uint32_t kTensors = 60'000;
  StartServer("rocksdb");
  const TestModel files = {{"config.json", "{}"},
                           {"model.safetensors", ManyTensors(kTensors, 1)}};
  const v1::UploadResponse uploaded = MustUpload(kModel, files);
  model::Manifest manifest;
  uint64_t page_count = 0;
  const grpc::Status status =
      ReadManifest(*stub_, MakeReference(kModel), &manifest, &page_count);
  ASSERT_TRUE(status.ok()) << status.error_message();
  // More than one answer may have.
  EXPECT_GT(page_count, 4u);
  EXPECT_EQ(manifest.revision, uploaded.revision());
  EXPECT_EQ(manifest.objects.size(), kTensors + 2);
  std::set<std::string> names;
  for (const model::File& file : manifest.files) {
    for (const model::Segment& segment : file.segments) {
      if (!segment.tensor_name.empty()) names.insert(segment.tensor_name);
    }
  }
  EXPECT_EQ(names.size(), kTensors);

  const DownloadResult download =
      Download(*stub_, MakeReference(kModel), kOriginal);
  ASSERT_TRUE(download.status.ok()) << download.status.error_message();
  EXPECT_EQ(download.page_count, page_count);
  EXPECT_TRUE(download.files == files);
  EXPECT_TRUE(download.manifest.files == manifest.files);
  EXPECT_TRUE(download.manifest.objects == manifest.objects);
  ExpectIdle();
  EXPECT_EQ(daemon_->metadata_budget().held_bytes(), 0u);
}

TEST_F(PagesTest, StayOfOneRevisionWhenTheTagMoves) {
  constexpr uint32_t kTensors = 12'000;
  StartServer();
  const std::string first =
      MustUpload(kModel, {{"m.safetensors", ManyTensors(kTensors, 1)}})
          .revision();
  v1::GetRevisionResponse response;
  wire::ManifestAssembler pages;
  ASSERT_TRUE(GetPage(MakeReference(kModel), "", &response).ok());
  ASSERT_TRUE(pages.Add(ParsePage(response.page())).ok());
  ASSERT_FALSE(response.next_page_token().empty());
  const std::string second_page = response.next_page_token();

  const std::string second =
      MustUpload(kModel, {{"m.safetensors", ManyTensors(kTensors, 2)}})
          .revision();
  ASSERT_NE(second, first);
  while (!response.next_page_token().empty()) {
    ASSERT_TRUE(
        GetPage(MakeReference(kModel), response.next_page_token(), &response)
            .ok());
    ASSERT_TRUE(pages.Add(ParsePage(response.page())).ok());
  }
  const absl::StatusOr<model::Manifest> manifest = pages.Take();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->revision, first);
  EXPECT_THAT(manifest->tags, ElementsAre("latest"));  // as it was
  // Objects are those of the first revision too.
  v1::Reference by_revision = MakeReference(kModel);
  by_revision.set_revision(first);
  model::Manifest whole;
  ASSERT_TRUE(ReadManifest(*stub_, by_revision, &whole).ok());
  EXPECT_TRUE(whole.objects == manifest->objects);
  EXPECT_TRUE(whole.tags.empty());
  ASSERT_TRUE(ReadManifest(*stub_, MakeReference(kModel), &whole).ok());
  EXPECT_EQ(whole.revision, second);

  // Neither of another model nor of one that has been deleted meanwhile.
  MustUpload("org/other", {{"f", "x"}});
  EXPECT_THAT(GetPage(MakeReference("org/other"), second_page, &response),
              StatusIs(StatusCode::NOT_FOUND, "org/other"));
  ASSERT_TRUE(daemon_->store().Delete({kModel, "", first}).ok());
  EXPECT_THAT(GetPage(MakeReference(kModel), second_page, &response),
              StatusIs(StatusCode::NOT_FOUND, first.substr(0, 12)));
}

// To open the revision again and to draft its manifest anew would cost what
// the whole model has, for each page of it.
TEST_F(PagesTest, ALaterPageReadsWhatIsInIt) {
  StartServer();
  MustUpload(kModel, {{"m.safetensors", ManyTensors(20'000, 1)}});
  v1::GetRevisionResponse response;
  ASSERT_TRUE(GetPage(MakeReference(kModel), "", &response).ok());
  EXPECT_GT(daemon_->metadata_budget().held_bytes(), 0u);
  int page_count = 1;
  for (; !response.next_page_token().empty(); ++page_count) {
    const uint64_t before = meter_->records().keys;
    const std::string token = response.next_page_token();
    ASSERT_TRUE(GetPage(MakeReference(kModel), token, &response).ok());
    const v1::ManifestPage page = ParsePage(response.page());
    EXPECT_LE(meter_->records().keys - before,
              static_cast<uint64_t>(page.objects_size()));
  }
  EXPECT_GT(page_count, 2);
  EXPECT_EQ(daemon_->metadata_budget().held_bytes(), 0u);
}

TEST_F(PagesTest, WhatIsKeptBetweenPagesIsBounded) {
  // An eighth of it holds the lists of three of these models.
  options_.metadata_memory_bytes = 256u << 20;
  StartServer();
  constexpr int kModels = 6;
  for (int i = 0; i < kModels; ++i) {
    MustUpload(
        "org/m" + std::to_string(i),
        {{"m.safetensors", ManyTensors(8'000, static_cast<uint8_t>(1 + i))}});
  }
  std::vector<std::string> tokens;
  for (int i = 0; i < kModels; ++i) {
    v1::GetRevisionResponse response;
    ASSERT_TRUE(
        GetPage(MakeReference("org/m" + std::to_string(i)), "", &response)
            .ok());
    ASSERT_FALSE(response.next_page_token().empty());
    tokens.push_back(response.next_page_token());
    EXPECT_GT(daemon_->metadata_budget().held_bytes(), 0u);
    EXPECT_LE(daemon_->metadata_budget().held_bytes(),
              options_.metadata_memory_bytes / 8);
  }
  // Those that had to go are made anew.
  for (int i = 0; i < kModels; ++i) {
    v1::GetRevisionResponse response;
    EXPECT_TRUE(GetPage(MakeReference("org/m" + std::to_string(i)),
                        tokens[static_cast<size_t>(i)], &response)
                    .ok());
  }
  // Nobody goes on with the rest.
  const auto deadline = std::chrono::steady_clock::now() +
                        KeptListings::kKeptFor + std::chrono::seconds(20);
  while (daemon_->metadata_budget().held_bytes() > 0 &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(daemon_->metadata_budget().held_bytes(), 0u);
}

TEST_F(PagesTest, ADeletedRevisionIsNotKept) {
  StartServer();
  MustUpload(kModel, {{"m.safetensors", ManyTensors(8'000, 1)}});
  v1::GetRevisionResponse response;
  ASSERT_TRUE(GetPage(MakeReference(kModel), "", &response).ok());
  const std::string token = response.next_page_token();
  ASSERT_FALSE(token.empty());
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  grpc::ClientContext context;
  v1::DeleteResponse deleted;
  ASSERT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_EQ(daemon_->metadata_budget().held_bytes(), 0u);
  EXPECT_THAT(GetPage(MakeReference(kModel), token, &response),
              StatusIs(StatusCode::NOT_FOUND));
  ASSERT_TRUE(
      daemon_->store().WaitForCollection(absl::InfiniteDuration()).ok());
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_F(PagesTest, HostileTokens) {
  StartServer();
  const std::string revision = MustUpload(kModel, VariedModel(1)).revision();
  v1::GetRevisionResponse response;
  for (const std::string& token :
       {std::string("x"), revision, revision + ".f", revision + ".f.0",
        revision + ".q.0.0", revision + ".f.-1.0", revision + ".f.0.0.0",
        revision + ".f.18446744073709551616.0", revision.substr(1) + ".f.0.0",
        std::string(64, 'g') + ".f.0.0", "../" + revision + ".f.0.0",
        std::string("\0\0", 2), std::string(100'000, '.')}) {
    const grpc::Status status =
        GetPage(MakeReference(kModel), token, &response);
    EXPECT_THAT(status, StatusIs(StatusCode::INVALID_ARGUMENT, "page token"));
    EXPECT_LT(status.error_message().size(), 1000u);
  }
  // Past the end there is nothing more; nothing else happens.
  for (const char* position :
       {".f.1.99", ".f.0.18446744073709551615", ".f.18446744073709551615.0",
        ".f.18446744073709551615.18446744073709551615", ".o.1.99",
        ".o.0.18446744073709551615", ".o.18446744073709551615.0"}) {
    const grpc::Status status =
        GetPage(MakeReference(kModel), revision + position, &response);
    EXPECT_THAT(status.error_code(),
                AnyOf(Eq(StatusCode::OK), Eq(StatusCode::INVALID_ARGUMENT)))
        << position;
    if (!status.ok()) continue;
    EXPECT_EQ(response.next_page_token(), "") << position;
  }
  ExpectIdle();
  EXPECT_EQ(daemon_->metadata_budget().held_bytes(), 0u);
}

TEST_F(PagesTest, TwentyThousandTags) {
  constexpr int kTags = 20'000;
  StartServer();
  MustUpload("org/a", {{"f", "a"}});
  const std::string revision = MustUpload("org/many", {{"f", "m"}}).revision();
  const std::string other = MustUpload("org/z", {{"f", "z"}}).revision();
  AddTags("org/many", kTags);
  const auto pages = ListAll({});
  EXPECT_GT(pages.size(), 1u);
  // Each model, tag and revision comes once, in order.
  std::vector<std::string> models;
  std::vector<std::string> tags;
  std::vector<std::string> revisions;
  for (const v1::ListModelsResponse& page : pages) {
    for (const v1::ModelSummary& model : page.models()) {
      if (models.empty() || models.back() != model.name()) {
        models.push_back(model.name());
      }
      if (model.name() != "org/many") continue;
      for (const v1::TagSummary& tag : model.tags()) {
        EXPECT_EQ(tag.revision(), revision);
        tags.push_back(tag.name());
      }
      revisions.insert(revisions.end(), model.revisions().begin(),
                       model.revisions().end());
    }
  }
  EXPECT_THAT(models, ElementsAre("org/a", "org/many", "org/z"));
  EXPECT_EQ(tags.size(), kTags + 1u);
  EXPECT_TRUE(std::is_sorted(tags.begin(), tags.end()));
  EXPECT_EQ(std::set<std::string>(tags.begin(), tags.end()).size(),
            tags.size());
  EXPECT_THAT(revisions, ElementsAre(revision));
  EXPECT_THAT(pages.back().models().rbegin()->revisions(), ElementsAre(other));

  v1::ListModelsRequest prefixed;
  prefixed.set_prefix("org/m");
  const auto of_prefix = ListAll(prefixed);
  EXPECT_EQ(of_prefix.size(), pages.size());
  for (const v1::ListModelsResponse& page : of_prefix) {
    ASSERT_EQ(page.models_size(), 1);
    EXPECT_EQ(page.models(0).name(), "org/many");
  }

  // Answers that name tags of one revision list the first of them.
  model::Manifest manifest;
  ASSERT_TRUE(ReadManifest(*stub_, MakeReference("org/many"), &manifest).ok());
  EXPECT_EQ(manifest.tags.size(), wire::kMaxListedTags);
  EXPECT_EQ(
      Download(*stub_, MakeReference("org/many"), kOriginal).files.at("f"),
      "m");
  grpc::ClientContext context;
  v1::DeleteRequest request;
  request.mutable_reference()->set_model("org/many");
  request.mutable_reference()->set_revision(revision);
  v1::DeleteResponse deleted;
  const grpc::Status status = stub_->Delete(&context, request, &deleted);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(deleted.revision_deleted());
  EXPECT_EQ(deleted.removed_tags_size(),
            static_cast<int>(wire::kMaxListedTags));
  EXPECT_EQ(ListAll(prefixed).front().models_size(), 0);
}

TEST_F(PagesTest, ManyModels) {
  constexpr int kModels = 12'000;
  StartServer();
  for (int i = 0; i < kModels; ++i) {
    // Under the server, as many calls would take long.
    const auto upload =
        daemon_->store().BeginUpload("org/" + std::to_string(100'000 + i));
    ASSERT_TRUE(upload.ok()) << upload.status();
    storage::StoredRevision draft;
    draft.model = "org/" + std::to_string(100'000 + i);
    draft.quantizer = "none";
    draft.files.push_back({.path = "empty",
                           .size_bytes = 0,
                           .safetensors = false,
                           .segments = {}});
    const auto committed = (*upload)->Commit(std::move(draft), "latest");
    ASSERT_TRUE(committed.ok()) << committed.status();
  }
  const auto pages = ListAll({});
  EXPECT_GT(pages.size(), 1u);
  std::set<std::string> names;
  for (const v1::ListModelsResponse& page : pages) {
    for (const v1::ModelSummary& model : page.models()) {
      names.insert(model.name());
      EXPECT_LE(model.tags_size(), 1);
      EXPECT_LE(model.revisions_size(), 1);
    }
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kModels));
  // A model that the token names and that is gone: its successor is next.
  v1::ListModelsRequest request;
  request.set_page_token("1:org/100500a");
  v1::ListModelsResponse page;
  ASSERT_TRUE(ListPage(request, &page).ok());
  EXPECT_EQ(page.models(0).name(), "org/100501");
}

TEST_F(PagesTest, HostileModelTokens) {
  StartServer();
  MustUpload(kModel, {{"f", "x"}});
  v1::ListModelsRequest request;
  v1::ListModelsResponse response;
  for (const std::string& token :
       {std::string("x"), std::string("1"), std::string(":"), std::string("1:"),
        std::string(":org/model"), std::string("-1:org/model"),
        std::string("one:org/model"),
        std::string("18446744073709551616:org/model"), std::string("1:../etc"),
        std::string("1:a b"), std::string("1:org/model\n"),
        std::string("\0:a", 3), "1:" + std::string(100'000, 'a')}) {
    request.set_page_token(token);
    const grpc::Status status = ListPage(request, &response);
    EXPECT_THAT(status, StatusIs(StatusCode::INVALID_ARGUMENT, "page token"));
    EXPECT_LT(status.error_message().size(), 1000u);
  }
  // More entries than the model has: what follows it.
  request.set_page_token("18446744073709551615:org/model");
  EXPECT_TRUE(ListPage(request, &response).ok());
  EXPECT_EQ(response.next_page_token(), "");
}

}  // namespace
}  // namespace qstore::server
