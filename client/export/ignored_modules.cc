#include "client/export/ignored_modules.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/quantization/tensor_rules.h"

namespace qstore::client {
namespace {

// Names by the thousand say no more than the expressions beside them.
constexpr size_t kMaxNames = 4000;

// Engines give routers names of their own while they load.
constexpr const char* kRouters[] = {"router", "gate", "shared_expert_gate"};

bool IsNumber(std::string_view component) {
  return !component.empty() &&
         std::all_of(component.begin(), component.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

// Splits at dots and joins what `map` makes of each component.
template <typename Map>
std::string MapComponents(std::string_view name, const char* separator,
                          Map map) {
  std::string result;
  while (true) {
    const size_t dot = name.find('.');
    result += map(name.substr(0, dot));
    if (dot == std::string_view::npos) return result;
    result += separator;
    name = name.substr(dot + 1);
  }
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z') || c == '_' ||
                       static_cast<unsigned char>(c) >= 0x80;
    if (!plain) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// With "#" for every number.
std::string Kind(std::string_view module) {
  return MapComponents(module, ".", [](std::string_view component) {
    return IsNumber(component) ? std::string("#") : std::string(component);
  });
}

// An expression for the module in whichever layer, or in its own alone.
std::string Expression(std::string_view module, bool any_number) {
  return MapComponents(module, "\\.", [&](std::string_view component) {
    return any_number && IsNumber(component) ? std::string("\\d+")
                                             : Escaped(component);
  });
}

// "b.c" of "a.b.c"; "" of "a".
std::string_view WithoutFirst(std::string_view module) {
  const size_t dot = module.find('.');
  return dot == std::string_view::npos ? "" : module.substr(dot + 1);
}

std::string_view ParentOf(std::string_view module) {
  const size_t dot = module.rfind('.');
  return dot == std::string_view::npos ? "" : module.substr(0, dot);
}

// What is quantized, to be asked whether an expression would fit any of it.
class QuantizedModules {
 public:
  explicit QuantizedModules(const std::vector<const ExportTensor*>& tensors) {
    for (const ExportTensor* tensor : tensors) {
      if (!tensor->quantized) continue;
      const std::string_view module = model::ModuleOf(tensor->name);
      if (!model::InNumberedLayer(module))
        outside_.insert(std::string(module));
      else
        any_inside_ = true;
      AddEnds(std::string(module), &ends_);
      AddEnds(Kind(module), &kind_ends_);
    }
  }

  // Whether a quantized module's name is `end` or ends with "." and `end`.
  bool EndsWith(const std::string& end) const { return ends_.contains(end); }
  bool KindEndsWith(const std::string& end) const {
    return kind_ends_.contains(end);
  }
  // Whether one is below a module whose name ends so.
  bool AnyBelow(const std::string& kind) const {
    return std::any_of(
        kind_ends_.begin(), kind_ends_.end(),
        [&](const std::string& end) { return end.starts_with(kind + "."); });
  }
  const std::set<std::string>& outside() const { return outside_; }
  bool any_inside() const { return any_inside_; }

 private:
  static void AddEnds(const std::string& name, std::set<std::string>* ends) {
    for (size_t begin = 0; begin != std::string::npos;) {
      ends->insert(name.substr(begin));
      const size_t dot = name.find('.', begin);
      begin = dot == std::string::npos ? dot : dot + 1;
    }
  }

  std::set<std::string> ends_;
  std::set<std::string> kind_ends_;
  std::set<std::string> outside_;
  bool any_inside_ = false;
};

// "re:" and an expression for modules whose names end with `module`'s, as short
// an end and as many layers as there is no quantized module in.
std::string EndExpression(std::string_view module,
                          const QuantizedModules& quantized) {
  const std::string_view rest = WithoutFirst(module);
  for (const std::string_view end : {rest, module}) {
    if (end.empty()) continue;
    if (!quantized.KindEndsWith(Kind(end))) {
      return "re:(.*\\.)?" + Expression(end, /*any_number=*/true) + "$";
    }
    if (!quantized.EndsWith(std::string(end))) {
      return "re:(.*\\.)?" + Expression(end, /*any_number=*/false) + "$";
    }
  }
  return "";
}

// Heads in numbered layers are often stored once, under the name that came
// first, and built elsewhere too.
std::string HeadExpression(const std::string& module,
                           const QuantizedModules& quantized) {
  for (const char* word : {"embed", "head"}) {
    const size_t found = module.find(word);
    if (found == std::string::npos) continue;
    const size_t dot = module.rfind('.', found);
    const std::string end =
        dot == std::string::npos ? module : module.substr(dot + 1);
    if (!model::InNumberedLayer(end) || quantized.KindEndsWith(Kind(end))) {
      continue;
    }
    return "re:(.*\\.)?" + Expression(end, /*any_number=*/true) + "$";
  }
  return "";
}

// Fused experts: engines make modules of their own below or instead of them.
std::string BelowExpression(std::string_view module,
                            const QuantizedModules& quantized) {
  const std::string_view rest = WithoutFirst(module);
  for (const std::string_view end : {rest, module}) {
    if (end.empty() || quantized.AnyBelow(Kind(end)) ||
        quantized.KindEndsWith(Kind(end))) {
      continue;
    }
    return "re:(.*\\.)?" + Expression(end, /*any_number=*/true) + "(\\..*)?$";
  }
  return "";
}

// Modules outside of the numbered layers, or everywhere if none in them is
// quantized, but for those that are.
std::string OutsideExpression(const QuantizedModules& quantized) {
  std::string expression = "re:^";
  if (quantized.any_inside()) expression += "(?!(?:.*\\.)?\\d+\\.)";
  if (!quantized.outside().empty()) {
    std::string names;
    for (const std::string& module : quantized.outside()) {
      const std::string_view rest = WithoutFirst(module);
      const std::string_view first =
          std::string_view(module).substr(0, module.size() - rest.size());
      absl::StrAppend(&names, names.empty() ? "" : "|",
                      rest.empty()
                          ? Escaped(module)
                          : "(?:" + Escaped(first) + ")?" + Escaped(rest));
    }
    absl::StrAppend(&expression, "(?!(?:.*\\.)?(?:", names, ")$)");
  }
  return expression + ".*$";
}

}  // namespace

std::vector<std::string> IgnoredModules(
    const std::vector<const ExportTensor*>& tensors) {
  const QuantizedModules quantized(tensors);
  std::set<std::string> names;
  std::set<std::string> expressions;
  bool has_experts = false;
  for (const ExportTensor* tensor : tensors) {
    has_experts = has_experts || absl::StrContains(tensor->name, "experts");
    if (tensor->quantized) continue;
    const std::string_view module = model::ModuleOf(tensor->name);
    if (tensor->shape.size() == 2 && !module.empty()) {
      // One that looks like an expression would be taken for one.
      if (!module.starts_with("re:")) names.insert(std::string(module));
      expressions.insert(EndExpression(module, quantized));
      expressions.insert(HeadExpression(std::string(module), quantized));
    } else if (tensor->shape.size() == 3) {
      expressions.insert(BelowExpression(
          ParentOf(module.empty() ? std::string_view(tensor->name) : module),
          quantized));
    }
  }
  if (has_experts) {
    for (const char* router : kRouters) {
      expressions.insert(EndExpression(router, quantized));
    }
  }
  std::vector<std::string> ignored = {"lm_head"};
  if (quantized.EndsWith("lm_head")) ignored.clear();
  names.erase("lm_head");
  if (names.size() <= kMaxNames) {
    ignored.insert(ignored.end(), names.begin(), names.end());
  }
  ignored.push_back(OutsideExpression(quantized));
  expressions.erase("");
  ignored.insert(ignored.end(), expressions.begin(), expressions.end());
  return ignored;
}

}  // namespace qstore::client
