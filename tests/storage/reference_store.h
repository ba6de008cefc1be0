// What a ModelStore must answer, kept in memory as plainly as can be.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "storage/model_store.h"

namespace qstore::storage {

class ReferenceStore {
 public:
  struct Model {
    std::map<std::string, std::string> tags;
    std::vector<std::string> revisions;  // newest first

    friend bool operator==(const Model&, const Model&) = default;
  };

  static ReferenceStore Of(const std::vector<ModelSummary>& listed) {
    ReferenceStore store;
    for (const ModelSummary& summary : listed) {
      Model& model = store.models[summary.name];
      for (const ModelSummary::Tag& tag : summary.tags) {
        model.tags[tag.name] = tag.revision;
      }
      model.revisions = summary.revisions;
    }
    return store;
  }

  void Upload(const std::string& name, const std::string& revision,
              const std::string& tag) {
    Model& model = models[name];
    auto& revisions = model.revisions;
    if (std::find(revisions.begin(), revisions.end(), revision) ==
        revisions.end()) {
      revisions.insert(revisions.begin(), revision);
    }
    model.tags[tag] = revision;
  }

  void DeleteTag(const std::string& name, const std::string& tag) {
    Model& model = models[name];
    const std::string revision = model.tags.at(tag);
    model.tags.erase(tag);
    const bool named = std::any_of(
        model.tags.begin(), model.tags.end(),
        [&revision](const auto& entry) { return entry.second == revision; });
    if (!named) DeleteRevision(name, revision);
  }

  void DeleteRevision(const std::string& name, const std::string& revision) {
    Model& model = models[name];
    std::erase(model.revisions, revision);
    std::erase_if(model.tags, [&revision](const auto& entry) {
      return entry.second == revision;
    });
    if (model.revisions.empty()) models.erase(name);
  }

  friend bool operator==(const ReferenceStore&,
                         const ReferenceStore&) = default;

  std::map<std::string, Model> models;
};

}  // namespace qstore::storage
