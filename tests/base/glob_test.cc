#include "base/text/glob.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace qstore {
namespace {

TEST(GlobMatchTest, MatchesTheWholeText) {
  EXPECT_TRUE(GlobMatch("lm_head.weight", "lm_head.weight"));
  EXPECT_FALSE(GlobMatch("lm_head", "lm_head.weight"));
  EXPECT_FALSE(GlobMatch("head.weight", "lm_head.weight"));
  EXPECT_FALSE(GlobMatch("LM_HEAD.weight", "lm_head.weight"));
  EXPECT_TRUE(GlobMatch("", ""));
  EXPECT_FALSE(GlobMatch("", "a"));
  EXPECT_FALSE(GlobMatch("a", ""));
}

TEST(GlobMatchTest, StarTakesAnyRun) {
  EXPECT_TRUE(GlobMatch("*", ""));
  EXPECT_TRUE(GlobMatch("*", "a.b/c"));
  EXPECT_TRUE(GlobMatch("**", ""));
  EXPECT_TRUE(GlobMatch("*embed*", "model.embed_tokens.weight"));
  EXPECT_TRUE(GlobMatch("*.layers.*.mlp.*.weight",
                        "model.layers.31.mlp.up_proj.weight"));
  EXPECT_FALSE(
      GlobMatch("*.layers.*.mlp.*.weight", "model.layers.31.mlp.up_proj.bias"));
  EXPECT_TRUE(GlobMatch("a*", "a"));
  EXPECT_TRUE(GlobMatch("*a", "aaa"));
  // The first place where the text after a star fits is not always the one.
  EXPECT_TRUE(GlobMatch("*ab*c", "aab_ab_bc"));
  EXPECT_TRUE(GlobMatch("*abc", "ababc"));
  EXPECT_FALSE(GlobMatch("*abc", "ababd"));
}

TEST(GlobMatchTest, QuestionMarkTakesOneCharacter) {
  EXPECT_TRUE(GlobMatch("layer.?.weight", "layer.7.weight"));
  EXPECT_FALSE(GlobMatch("layer.?.weight", "layer.17.weight"));
  EXPECT_FALSE(GlobMatch("layer.?.weight", "layer..weight"));
  EXPECT_TRUE(GlobMatch("??*", "ab"));
  EXPECT_FALSE(GlobMatch("??*", "a"));
  EXPECT_TRUE(GlobMatch("gr?ße", "größe"));
  EXPECT_FALSE(GlobMatch("??", "ö"));
  EXPECT_FALSE(GlobMatch("*??", "ö"));
}

TEST(GlobMatchTest, EverythingElseStandsForItself) {
  EXPECT_TRUE(GlobMatch("a[0].b", "a[0].b"));
  EXPECT_FALSE(GlobMatch("a.b", "axb"));
  EXPECT_TRUE(GlobMatch("a\\*", "a\\bcd"));
}

// Backtracking over every star would take longer than the universe has.
TEST(GlobMatchTest, TakesPolynomialTime) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  pattern += "*b";
  EXPECT_FALSE(GlobMatch(pattern, std::string(20'000, 'a')));
  EXPECT_TRUE(GlobMatch(pattern, std::string(20'000, 'a') + "b"));
}

// Looking anew for what stands between two stars at each place of the text
// would take minutes.
TEST(GlobMatchTest, TakesLinearTime) {
  const std::string half(100'000, 'a');
  const std::string pattern = "*" + half + "b" + half + "*";
  const std::string text(20'000'000, 'a');
  EXPECT_FALSE(GlobMatch(pattern, text));
  EXPECT_TRUE(GlobMatch(pattern, text + "b" + text));
  const std::string characters = "*a?" + std::string(200, 'a') + "b?a*";
  EXPECT_FALSE(GlobMatch(characters, text.substr(0, 2'000'000)));
  EXPECT_TRUE(GlobMatch(characters, half + "bäa" + half));
}

// Against the definition, over all short patterns and texts.
bool Defined(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return Defined(pattern.substr(1), text) ||
           (!text.empty() && Defined(pattern, text.substr(1)));
  }
  return !text.empty() &&
         (pattern.front() == '?' || pattern.front() == text.front()) &&
         Defined(pattern.substr(1), text.substr(1));
}

std::string Word(int number, std::string_view letters, int length) {
  std::string word;
  for (; length > 0; --length) {
    word += letters[number % letters.size()];
    number /= static_cast<int>(letters.size());
  }
  return word;
}

TEST(GlobMatchTest, AgreesWithTheDefinition) {
  for (int pattern_length = 0; pattern_length <= 4; ++pattern_length) {
    for (int p = 0; p < 1 << (2 * pattern_length); ++p) {
      const std::string pattern = Word(p, "ab*?", pattern_length);
      for (int text_length = 0; text_length <= 5; ++text_length) {
        for (int t = 0; t < 1 << text_length; ++t) {
          const std::string text = Word(t, "ab", text_length);
          ASSERT_EQ(GlobMatch(pattern, text), Defined(pattern, text))
              << pattern << " against " << text;
        }
      }
    }
  }
}

// What fits, character by character: fits[p][t] of the first p and t.
bool FitsByTable(const std::vector<std::string>& pattern,
                 const std::vector<std::string>& text) {
  std::vector<std::vector<bool>> fits(pattern.size() + 1,
                                      std::vector<bool>(text.size() + 1));
  fits[0][0] = true;
  for (size_t p = 1; p <= pattern.size(); ++p) {
    const std::string& wanted = pattern[p - 1];
    for (size_t t = 0; t <= text.size(); ++t) {
      if (wanted == "*") {
        fits[p][t] = fits[p - 1][t] || (t > 0 && fits[p][t - 1]);
      } else if (t > 0 && (wanted == "?" || wanted == text[t - 1])) {
        fits[p][t] = fits[p - 1][t - 1];
      }
    }
  }
  return fits.back().back();
}

TEST(GlobMatchTest, AgreesWithATableOfCharacters) {
  std::mt19937 random(20261128);
  const auto word = [&](std::vector<std::string> letters, size_t length) {
    std::vector<std::string> characters(length);
    for (std::string& character : characters) {
      character = letters[random() % letters.size()];
    }
    return characters;
  };
  const auto joined = [](const std::vector<std::string>& characters) {
    std::string text;
    for (const std::string& character : characters) text += character;
    return text;
  };
  int fitting = 0;
  for (int round = 0; round < 5'000; ++round) {
    // Seldom a star, so that pieces become longer than a machine word.
    std::vector<std::string> letters(1 + random() % 60, "?");
    letters.insert(letters.end(), {"a", "a", "ä", "€"});
    auto pattern = word(letters, random() % 100);
    for (size_t stars = random() % 4; stars > 0; --stars) {
      pattern.insert(pattern.begin() + random() % (pattern.size() + 1), "*");
    }
    const auto text = word({"a", "a", "a", "ä", "€"}, random() % 160);
    const bool fits = FitsByTable(pattern, text);
    fitting += fits ? 1 : 0;
    ASSERT_EQ(GlobMatch(joined(pattern), joined(text)), fits)
        << joined(pattern) << " against " << joined(text);
  }
  EXPECT_GT(fitting, 100);
}

}  // namespace
}  // namespace qstore
