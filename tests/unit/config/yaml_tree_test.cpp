#include "config/yaml_tree.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

std::string error_of(std::string_view text) {
  const Tree tree = read_tree(text);
  if (!tree.error) return "";
  return std::to_string(tree.error->at.line) + ":" + std::to_string(tree.error->at.column) + " " +
         tree.error->what;
}

TEST(YamlTree, KeepsEveryPairWithItsPlace) {
  const Tree tree = read_tree("a: 010\na: on\nb:\n  - 'x'\n");
  ASSERT_FALSE(tree.error);
  ASSERT_EQ(tree.root.entries.size(), 3U);
  EXPECT_EQ(tree.root.entries[0].value.text, "010");
  EXPECT_EQ(tree.root.entries[1].value.text, "on");
  EXPECT_EQ(tree.root.entries[1].at, (Position{2, 1}));
  EXPECT_EQ(tree.root.entries[1].value.at, (Position{2, 4}));
  EXPECT_FALSE(tree.root.entries[2].value.items[0].plain);
  EXPECT_EQ(tree.root.entries[2].value.items[0].at, (Position{4, 5}));
}

TEST(YamlTree, ColumnsCountCharactersNotBytes) {
  const Tree tree = read_tree("ä€😀: {ö: x}\n");
  EXPECT_EQ(tree.root.entries[0].value.at, (Position{1, 6}));
  EXPECT_EQ(tree.root.entries[0].value.entries[0].value.at, (Position{1, 10}));
}

TEST(YamlTree, ByteOrderMarkAndCarriageReturnsDoNotMoveColumns) {
  const Tree tree = read_tree(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: 2\r\n");
  ASSERT_FALSE(tree.error) << tree.error->what;
  EXPECT_EQ(tree.root.entries[0].value.at, (Position{1, 4}));
  EXPECT_EQ(tree.root.entries[1].value.at, (Position{2, 4}));
  EXPECT_EQ(tree.root.entries[1].value.text, "2");
}

TEST(YamlTree, AnAbsentValueStandsAtItsKey) {
  const Tree tree = read_tree("a:\nb: ~\nc: {d: , e: null}\n");
  EXPECT_EQ(tree.root.entries[0].value.at, (Position{1, 1}));
  EXPECT_EQ(tree.root.entries[1].value.at, (Position{2, 4}));
  EXPECT_EQ(tree.root.entries[2].value.entries[0].value.at, (Position{3, 5}));
  EXPECT_EQ(tree.root.entries[2].value.entries[1].value.at, (Position{3, 13}));
}

TEST(YamlTree, ExpansionsKeepTheirBracesInFlowMappings) {
  const Tree tree = read_tree("a: {k: ${NAME}, l: ${B:-[x,y]}, m: \"${C}\"}\n");
  ASSERT_FALSE(tree.error) << tree.error->what;
  const auto& entries = tree.root.entries[0].value.entries;
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].value.text, "${NAME}");
  EXPECT_EQ(entries[1].value.text, "${B:-[x,y]}");
  EXPECT_EQ(entries[1].value.at, (Position{1, 20}));
  EXPECT_EQ(entries[2].value.text, "${C}");
}

TEST(YamlTree, AliasesAreFollowed) {
  const Tree tree = read_tree("a: &x [1, 2]\nb: *x\n");
  ASSERT_FALSE(tree.error);
  EXPECT_EQ(tree.root.entries[1].value.items.size(), 2U);
}

TEST(YamlTree, SyntaxErrorsHaveTheirPlace) {
  EXPECT_EQ(error_of("a: b: c\n"), "1:5 is not valid YAML (illegal map value)");
  EXPECT_EQ(error_of("a: [1, 2\nb: 3\n"), "2:2 is not valid YAML (end of sequence flow not found)");
  EXPECT_EQ(error_of("a: 1\n]\n"), "2:1 is not valid YAML (illegal flow end)");
  EXPECT_EQ(error_of("a: *nowhere\n"), "1:4 is not valid YAML (the referenced anchor is not defined)");
}

TEST(YamlTree, MessagesHoldNoPieceOfTheFile) {
  EXPECT_EQ(error_of("a: *canary-in-the-mine\n").find("canary"), std::string::npos);
  EXPECT_EQ(error_of("a: \"\\qcanary\"\n").find('q'), std::string::npos);
}

TEST(YamlTree, AQuoteMustBeClosed) {
  EXPECT_EQ(error_of("a: 'x\nb: 2\n"), "1:4 opens a quote that is never closed");
  EXPECT_EQ(error_of("a: 1\nb: \"x\\\"\n"), "2:4 opens a quote that is never closed");
  EXPECT_EQ(error_of("a: 'it''s'\nb: \"\\\\\"\n"), "");
}

TEST(YamlTree, OneDocumentWithoutTags) {
  EXPECT_EQ(error_of("a: 1\n---\nb: 1\n"), "2:1 holds a second document");
  EXPECT_EQ(error_of("a: !!int 1\n"), "1:4 holds a tag");
  EXPECT_EQ(error_of("? [a]\n: 1\n"), "1:3 holds a key that is not a name");
}

TEST(YamlTree, TextMustBeUtf8WithoutControlCharacters) {
  EXPECT_EQ(error_of("a: 1\nb: \xC3\x28\n"), "2:4 is not UTF-8");
  EXPECT_EQ(error_of("a: \xED\xA0\x80\n"), "1:4 is not UTF-8");
  EXPECT_EQ(error_of("a: \xF8\n"), "1:4 is not UTF-8");
  EXPECT_EQ(error_of("a: \xC3"), "1:4 is not UTF-8");
  EXPECT_EQ(error_of("ä: \x01\n"), "1:4 holds a control character");
  EXPECT_EQ(error_of(std::string("a\0", 2)), "1:2 holds a control character");
}

TEST(YamlTree, BombsAreBounded) {
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 1; n < 10; ++n)
      laughs += "," + before;
    laughs += "]\n";
  }
  EXPECT_NE(error_of(laughs).find("holds too many values"), std::string::npos) << error_of(laughs);
  std::string copies = "a: &a " + std::string(100'000, 'x') + "\nb: [";
  for (int i = 0; i < 1000; ++i)
    copies += "*a,";
  EXPECT_NE(error_of(copies + "]\n").find("repeats too much text"), std::string::npos);
  EXPECT_EQ(error_of("a: &a [*a]\n"), "1:8 holds an alias inside its own anchor");
}

TEST(YamlTree, DepthAndSizeAreBounded) {
  EXPECT_NE(error_of(std::string(max_text, '[')).find("is nested too deeply"), std::string::npos);
  EXPECT_NE(error_of(std::string(max_text, '{')).find("is nested too deeply"), std::string::npos);
  EXPECT_EQ(error_of(std::string(max_text + 1, ' ')), "1:1 is larger than 1 MiB");
  std::string many = "[";
  for (std::size_t i = 0; i <= max_nodes; ++i)
    many += "a,";
  EXPECT_NE(error_of(many + "]").find("holds too many values"), std::string::npos);
  std::string anchors;
  for (int i = 0; i < 499; ++i)
    anchors += "[&a" + std::to_string(i) + " ";
  EXPECT_NE(error_of(anchors + std::string(100'000, 'x') + std::string(499, ']')), "");
}

}  // namespace
}  // namespace bridge55::config
