// Stores of each kind behind one face, for the suites that say what every
// RecordStore and every BlobStore does.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "storage/blobs/cached_blob_store.h"
#include "storage/blobs/metered_blob_store.h"
#include "storage/records/metered_record_store.h"
#include "tests/storage/engine_fixture.h"
#include "tests/storage/faults.h"

namespace qstore::storage {

// Decorators around the stores of another maker.
template <typename Maker>
class MeteredMaker {
 public:
  Engine Open() {
    Engine engine = maker_.Open();
    engine.records = NewMeteredRecordStore(engine.records, meter_);
    engine.blobs = NewMeteredBlobStore(engine.blobs, meter_);
    return engine;
  }

 private:
  Maker maker_;
  std::shared_ptr<ReadMeter> meter_ = std::make_shared<ReadMeter>();
};

// With no faults.
template <typename Maker>
class FaultyMaker {
 public:
  Engine Open() { return WithFaults(maker_.Open(), &faults_); }

 private:
  Maker maker_;
  Faults faults_;
};

template <typename Maker>
class CachedMaker {
 public:
  Engine Open() {
    Engine engine = maker_.Open();
    // Less than some tests read.
    engine.blobs = NewCachedBlobStore(engine.blobs, 3u << 20);
    return engine;
  }

 private:
  Maker maker_;
};

using NestedMaker = CachedMaker<FaultyMaker<MeteredMaker<MemoryEngineMaker>>>;

#ifdef __SANITIZE_THREAD__
using EveryMaker =
    ::testing::Types<MemoryEngineMaker, MeteredMaker<MemoryEngineMaker>,
                     FaultyMaker<MemoryEngineMaker>,
                     CachedMaker<MemoryEngineMaker>, NestedMaker>;
#else
using EveryMaker = ::testing::Types<
    MemoryEngineMaker, RocksDbEngineMaker, MeteredMaker<MemoryEngineMaker>,
    FaultyMaker<MemoryEngineMaker>, CachedMaker<MemoryEngineMaker>, NestedMaker,
    CachedMaker<RocksDbEngineMaker>>;
#endif

}  // namespace qstore::storage
