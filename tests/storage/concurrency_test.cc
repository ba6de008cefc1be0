// Many threads in one store: uploads of equal and different models, readers,
// deletions. Also run under ThreadSanitizer.
#include <atomic>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

template <typename Maker>
class ConcurrencyTest : public StoreTest<Maker> {
 protected:
  // Runs `work(thread number)` in each of `count` threads.
  template <typename Work>
  void InThreads(int count, const Work& work) {
    std::vector<std::thread> threads;
    threads.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i)
      threads.emplace_back([&work, i] { work(i); });
    for (std::thread& thread : threads) thread.join();
  }
};
TYPED_TEST_SUITE(ConcurrencyTest, Makers);

TYPED_TEST(ConcurrencyTest, UploadsOfDifferentModels) {
  this->InThreads(4, [this](int i) {
    const auto seed = uint64_t{10} * static_cast<uint64_t>(i);
    this->MustUpload(
        "org/m" + std::to_string(i), "main",
        {QuantizedSample(seed), LargeSample(seed + 1), PlainSample(seed + 2)},
        seed);
  });
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_EQ(this->store_->sweep_report().data_range_count, 0u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(this->Check("org/m" + std::to_string(i) + ":main").ok());
  }
}

// Equal content is stored once, whoever comes first.
TYPED_TEST(ConcurrencyTest, UploadsOfEqualModels) {
  std::atomic<int> created = 0;
  this->InThreads(6, [&, this](int i) {
    const std::string model = "org/m" + std::to_string(i % 2);
    auto upload = this->store_->BeginUpload(model);
    ASSERT_TRUE(upload.ok());
    // Add first without asking, so that all race to store the same objects.
    for (const SampleObject& sample :
         {LargeSample(1), QuantizedSample(2), PlainSample(3)}) {
      ASSERT_TRUE(AddSample(upload->get(), sample).ok());
    }
    auto draft =
        DraftOf(upload->get(), model,
                {LargeSample(1), QuantizedSample(2), PlainSample(3)}, 4);
    ASSERT_TRUE(draft.ok()) << draft.status();
    const auto result = (*upload)->Commit(*draft, "t" + std::to_string(i));
    ASSERT_TRUE(result.ok()) << result.status();
    created += result->created ? 1 : 0;
  });
  EXPECT_EQ(created, 2);
  EXPECT_EQ(this->DataKeyCount(), kLargeSampleValues + 8 + 1 + 1);
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_EQ(this->store_->sweep_report().data_range_count, 0u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(
        this->Check("org/m" + std::to_string(i % 2) + ":t" + std::to_string(i))
            .ok());
  }
}

// Uploads that are abandoned must not take what others found.
TYPED_TEST(ConcurrencyTest, AbandonedUploadsBesideEqualOnes) {
  for (int round = 0; round < 5; ++round) {
    this->InThreads(4, [this](int i) {
      auto upload = this->store_->BeginUpload("org/m");
      ASSERT_TRUE(upload.ok());
      auto draft = DraftOf(upload->get(), "org/m",
                           {QuantizedSample(1), PlainSample(2)}, 3);
      ASSERT_TRUE(draft.ok()) << draft.status();
      if (i == 0) {
        ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
      }
    });
    EXPECT_TRUE(this->Check("org/m:main").ok());
    EXPECT_EQ(this->DataKeyCount(), 10);
    ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
    EXPECT_EQ(this->DataKeyCount(), 0);
  }
}

// Objects can be found as soon as they are ingested. That another upload has
// used them and is deleted again, all before the first one goes on, must not
// take them away from it.
TYPED_TEST(ConcurrencyTest, DeletionOfWhatIsBeingIngested) {
  for (const SampleObject& sample : {QuantizedSample(1), LargeSample(2)}) {
    this->faults_->AfterNextIngest([&, this] {
      this->MustUpload("org/other", "main", {sample});
      EXPECT_TRUE(this->store_->Delete(Ref("org/other:main")).ok());
      EXPECT_TRUE(this->Collect().ok());
    });
    this->MustUpload("org/m", "main", {sample});
    EXPECT_TRUE(this->Check("org/m:main").ok());
    ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
    EXPECT_EQ(this->DataKeyCount(), 0);
  }
}

// A reader sees a whole revision or none, whatever is deleted and uploaded.
TYPED_TEST(ConcurrencyTest, ReadersUploadsAndDeletions) {
  std::atomic<bool> done = false;
  std::atomic<int> whole = 0;
  std::thread reader([&, this] {
    while (!done) {
      const absl::Status status = this->Check("org/m:main");
      if (status.ok()) ++whole;
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
      EXPECT_TRUE(this->store_->ListModels().ok());
    }
  });
  this->InThreads(2, [this](int i) {
    for (int round = 0; round < 12; ++round) {
      const auto result = UploadSamples(
          this->store_.get(), "org/m", "main",
          {QuantizedSample(1), PlainSample(static_cast<uint64_t>(round % 3))},
          static_cast<uint64_t>(i));
      ASSERT_TRUE(result.ok()) << result.status();
      const auto deleted = this->store_->Delete(Ref("org/m:main"));
      ASSERT_TRUE(deleted.ok() || absl::IsNotFound(deleted.status()))
          << deleted.status();
    }
  });
  this->MustUpload("org/m", "main", {QuantizedSample(1)});
  while (whole == 0) std::this_thread::yield();
  done = true;
  reader.join();
  const auto models = this->store_->ListModels();
  ASSERT_TRUE(models.ok());
  for (const ModelSummary& model : *models) {
    for (const std::string& revision : model.revisions) {
      ASSERT_TRUE(this->store_->Delete(Ref(model.name + "@" + revision)).ok());
    }
  }
  EXPECT_EQ(this->DataKeyCount(), 0);
}

}  // namespace
}  // namespace qstore::storage
