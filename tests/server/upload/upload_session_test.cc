// Sessions that are broken off while they compute. (What streams do wrong, and
// what becomes of it, bad_upload_test.cc and resume_test.cc show.)
#include "server/upload/upload_session.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "server/upload/chunk_work.h"
#include "storage/memory/engine.h"
#include "tests/server/test_client.h"
#include "tests/server/test_model.h"

namespace qstore::server {
namespace {

class UploadSessionTest : public ::testing::Test {
 protected:
  UploadSessionTest()
      : store_(*storage::ModelStore::Open(storage::NewMemoryEngine())) {}

  IngestResources Resources() {
    IngestResources resources;
    resources.encode_pool = &pool_;
    resources.codecs = &codecs_;
    resources.budget = &budget_;
    resources.metadata = &metadata_;
    return resources;
  }

  ThreadPool pool_{1, 8};
  CodecPool codecs_;
  ByteBudget budget_{2 * kMaxChunkLeaseBytes};
  ByteBudget metadata_{4u << 20};
  std::unique_ptr<storage::ModelStore> store_;
};

TEST_F(UploadSessionTest, BrokenOffBetweenPatternsItIsAsBefore) {
  std::vector<TestTensor> tensors;
  for (uint64_t i = 0; i < 20; ++i) {
    tensors.push_back({"t" + std::to_string(i), Dtype::kF32, {4, 8}, i + 1});
  }
  const std::string content = SafetensorsFile(tensors);
  constexpr size_t kFirstBytes = 5;
  v1::UploadRequest begin = BeginMessage("org/model");
  begin.mutable_begin()->set_upload_key("key");

  UploadSession session(store_.get(), Resources());
  ASSERT_TRUE(session.Handle(begin).ok());
  ASSERT_TRUE(session.Handle(FileMessage("a.txt", 3)).ok());
  ASSERT_TRUE(session.Handle(BytesMessage("abc")).ok());
  ASSERT_TRUE(
      session.Handle(FileMessage("m.safetensors", content.size())).ok());
  ASSERT_TRUE(
      session.Handle(BytesMessage(content.substr(0, kFirstBytes))).ok());
  // The client goes when half of the names have been looked at.
  int asked = 0;
  session.set_call_over([&asked] { return ++asked == 10; });
  EXPECT_TRUE(absl::IsCancelled(
      session.Handle(BytesMessage(content.substr(kFirstBytes)))));
  EXPECT_EQ(asked, 10);
  session.Suspend();
  // Of the file before, which is being stored.
  for (int i = 0; i < 1000 && budget_.held_bytes() > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(budget_.held_bytes(), 0u);
  EXPECT_EQ(session.received_bytes(), 3u);

  const v1::UploadPoint point = session.point();
  EXPECT_EQ(point.file_count(), 1u);
  EXPECT_EQ(point.file_offset_bytes(), 0u);
}

TEST_F(UploadSessionTest, AfterTheBreakItTakesTheWholeFile) {
  const std::string content =
      SafetensorsFile({{"t.weight", Dtype::kF32, {4, 8}, 1}});
  v1::UploadRequest begin = BeginMessage("org/model");
  begin.mutable_begin()->set_upload_key("key");
  UploadSession session(store_.get(), Resources());
  ASSERT_TRUE(session.Handle(begin).ok());
  ASSERT_TRUE(
      session.Handle(FileMessage("m.safetensors", content.size())).ok());
  session.set_call_over([] { return true; });
  EXPECT_TRUE(absl::IsCancelled(session.Handle(BytesMessage(content))));
  session.Suspend();
  v1::UploadBegin resume = begin.begin();
  resume.mutable_resume()->set_xxh3(Xxh3({}));
  ASSERT_TRUE(session.Resume(resume).ok());
  ASSERT_TRUE(
      session.Handle(FileMessage("m.safetensors", content.size())).ok());
  ASSERT_TRUE(session.Handle(BytesMessage(content)).ok());
  ASSERT_TRUE(session.Handle(EndMessage(1, content.size())).ok());
  const auto response = session.Commit();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->received_bytes(), content.size());
}

}  // namespace
}  // namespace qstore::server
