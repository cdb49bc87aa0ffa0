"""Words of many scripts are whole tokens; text without spaces is reported."""

import random
import re
import sys
import unicodedata
import warnings

import pytest
import snowballstemmer
from sequencing import tokens_of

from sklstm import TextSequencer, WordVectors, _tokens
from sklstm.baselines import classic_baselines

# Words separated by spaces, as they are tokens. Those of one language stand in one string.
WORDS = {
    "Hindi": "मैं खुश हूँ",
    "Hindi conjuncts with joiners": "क्\u200dष अक्\u200cष",
    "Marathi": "मला हा चित्रपट आवडला",
    "Nepali": "यो चलचित्र राम्रो छ",
    "Bengali": "আমি বাংলায় গান গাই",
    "Punjabi": "ਮੈਂ ਖੁਸ਼ ਹਾਂ",
    "Gujarati": "હું ખુશ છું",
    "Odia": "ମୁଁ ଖୁସି ଅଛି",
    "Tamil": "நான் மகிழ்ச்சியாக இருக்கிறேன்",
    "Telugu": "నేను సంతోషంగా ఉన్నాను",
    "Kannada": "ನಾನು ಸಂತೋಷವಾಗಿದ್ದೇನೆ",
    "Malayalam": "എനിക്ക് സന്തോഷമുണ്ട്",
    "Malayalam with a final joiner": "അവന്\u200d വന്നു",
    "Sinhala": "මම සතුටින් ඉන්නවා",
    "Sinhala with a joiner": "ශ්\u200dරී ලංකා",
    "Burmese with spaces": "မြန်မာ ရုပ်ရှင်",
    "Khmer with spaces": "ខ្ញុំ សប្បាយ",
    "Thai with spaces": "ฉัน มี ความสุข ที่นี่",
    "Lao with spaces": "ຂ້ອຍ ມີ ຄວາມສຸກ",
    "vocalised Arabic": "كِتَابٌ جَمِيلٌ",
    "Arabic": "الفيلم جميل جداً",
    "Urdu": "یہ فلم اچھی ہے",
    "Persian": "می\u200cروم خانه\u200cها را",
    "vocalised Hebrew": "שָׁלוֹם עֲלֵיכֶם",
    "Hebrew abbreviation": "צה״ל",
    "Syriac": "ܫܠܵܡܵܐ",
    "Divehi": "ދިވެހި ރާއްޖެ",
    "Tibetan syllable": "སྐད",
    "Mongolian script": "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ᠌",
    "Amharic": "ፊልሙ ጥሩ ነው",
    "Korean": "영화가 정말 재미있어요",
    "Vietnamese": "phim này rất hay",
    "Yoruba": "ọjọ́ dára gan\u0301",
    "Catalan": "col·lega",
    "Turkish": "i̇stanbul güzel",
    "Greek": "η ταινία είναι καλή",
    "Ukrainian": "м'ята",
    "Adlam": "𞤆𞤵𞤤𞤢𞤪".lower(),
}


@pytest.mark.parametrize("n_times", [1, 8_000], ids=["few texts", "many texts"])
@pytest.mark.parametrize("language", WORDS)
def test_a_word_is_one_token_in_every_script(language, n_times):
    text = unicodedata.normalize("NFC", WORDS[language])
    sequencer = TextSequencer().fit([f"({text}!)"] * n_times)
    assert sorted(sequencer.vocabulary_) == sorted(set(text.split()))


@pytest.mark.parametrize("language", WORDS)
def test_composed_and_decomposed_letters_are_the_same_token(language):
    forms = {tuple(tokens_of(unicodedata.normalize(f, WORDS[language]))) for f in ("NFC", "NFD")}
    assert len(forms) == 1


@pytest.mark.parametrize("parameters", [{}, {"token_pattern": r"\w+"}, {"tokenizer": str.split}])
def test_a_decomposed_accent_is_not_lost(parameters):
    assert tokens_of("cafe\u0301 caf\u00e9", **parameters) == ["caf\u00e9"] * 2
    assert tokens_of("e\u0301", analyzer="char") == ["\u00e9"]


@pytest.mark.parametrize("mark", "'\u2019\u2018\u201b\u02bc\uff07\u00b4\u055a\u05f3")
@pytest.mark.parametrize("strip_accents", [None, "ascii", "unicode"])
def test_all_apostrophes_are_one(mark, strip_accents):
    text = f"don{mark}t {mark}quoted{mark} o{mark}hara{mark}s"
    expected = ["don't", "quoted", "o'hara's"]
    assert tokens_of(text, strip_accents=strip_accents) == expected


@pytest.mark.parametrize(
    ("text", "token"),
    {
        "soft hyphen": ("Donau\u00addampf", "donaudampf"),
        "right-to-left mark": ("שלום\u200f", "שלום"),
        "left-to-right isolate": ("\u2066שלום\u2069", "שלום"),
        "byte-order mark": ("\ufefffilm", "film"),
        "word joiner": ("fi\u2060lm", "film"),
        "non-joiner at the end": ("خانه\u200c", "خانه"),
        "typed abbreviation mark": ('צה"ל', "צה״ל"),
        "soft hyphen before an accent": ("cafe\u00ad\u0301", "caf\u00e9"),
    }.values(),
)
def test_characters_that_are_not_displayed_make_no_other_word(text, token):
    assert tokens_of(f"({text}).") == [token]


def test_a_zero_width_space_separates_words():
    assert tokens_of("ខ្ញុំ\u200bសប្បាយ") == ["ខ្ញុំ", "សប្បាយ"]


@pytest.mark.parametrize(
    "text", ["rock'n'roll '90s' it's", "a_b __x__ 3.14 1,000 $5", "don''t 'a' b'", "x\x1cy\0z\tq"]
)
def test_ascii_words_are_unchanged(text):
    assert tokens_of(text) == re.findall(r"\w+(?:['\u2019]\w+)*", text)


def test_the_pattern_for_ascii_texts_is_the_default_pattern():
    rng = random.Random(0)
    characters = "ab_'' -09.\n\""
    for _ in range(2_000):
        text = "".join(rng.choices(characters, k=12))
        assert _tokens.words(text) == re.findall(TextSequencer().token_pattern, text)


def test_marks_are_those_of_unicode():
    """The ranges have all marks, and beside them only letters, digits and unassigned characters."""
    inside = re.compile(f"[{_tokens._MARKS}]").match
    for char in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(char)
        if category.startswith("M"):
            assert inside(char), hex(ord(char))
        elif inside(char):
            assert char.isalnum() or category == "Cn", hex(ord(char))


def test_tokens_are_those_of_a_library_with_unicode_properties():
    regex = pytest.importorskip("regex")
    # The library counts circled letters and marks as \w.
    word = r"[\p{L}\p{N}_]"
    inner = r"[\p{L}\p{N}_\p{M}\u200d]"
    between = r"(?:['\u00b7\u05f4\u180e\u2027]|\u200c+)"
    pattern = regex.compile(f"{word}{inner}*(?:{between}{inner}+)*")
    rng = random.Random(0)
    assigned = [c for c in map(chr, range(0x20000)) if unicodedata.category(c)[0] in "LMNPSZ"]
    for _ in range(300):
        text = "".join(rng.choices(assigned, k=200))
        assert _tokens.words(text) == pattern.findall(text)


def test_a_long_word_takes_linear_time():
    word = "की" * 20_000
    assert tokens_of(f"{word}_ {word}'") == [f"{word}_", word]
    assert [word] in _tokens.spellings(word + "\u2019")[1:]


# Emoji

EMOJI = (
    r"|[\U0001f1e6-\U0001f1ff]{2}"
    r"|[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    r"(?:\u200d[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
PERSON = "\U0001f469\U0001f3fd\u200d\U0001f4bb"
FLAG, HEART, THUMB = "\U0001f1eb\U0001f1f7", "\u2764\ufe0f", "\U0001f44d\U0001f3fd"


def test_emoji_are_no_part_of_words():
    assert tokens_of(f"fine{THUMB}film {PERSON}{HEART} {FLAG}") == ["fine", "film"]


def test_an_extension_of_the_default_pattern_keeps_whole_emoji():
    pattern = TextSequencer().token_pattern + EMOJI
    found = tokens_of(f"I don\u2019t{THUMB} {PERSON}{HEART}{FLAG}", token_pattern=pattern)
    assert found == ["i", "don't", THUMB, PERSON, HEART, FLAG]


# What takes words: stop words, stemmers, vocabularies, vectors and the baselines


def test_stop_words_have_the_form_of_tokens():
    stop_words = ["don\u2019t", "cafe\u0301", "में"]
    assert tokens_of("Don't caf\u00e9 में film", stop_words=stop_words) == ["film"]


@pytest.mark.parametrize(
    ("stemmer", "words"),
    {
        "hindi": "लड़कियाँ किताबें खुशियाँ",
        "tamil": "மகிழ்ச்சியாக இருக்கிறேன்",
        "nepali": "चलचित्रहरू राम्रो",
        "arabic": "كِتَابٌ الفيلم",
    }.items(),
)
def test_stemmers_receive_whole_words(stemmer, words):
    stem = snowballstemmer.stemmer(stemmer).stemWord
    expected = [stem(word) or word for word in unicodedata.normalize("NFC", words).split()]
    assert tokens_of(words, stemmer=stemmer) == expected


def test_a_fixed_vocabulary_has_the_form_of_tokens():
    sequencer = TextSequencer(vocabulary=["don\u2019t", "cafe\u0301"]).fit(["x"])
    assert sequencer.transform(["caf\u00e9 don't"]).tolist() == [[2]]
    assert sequencer.vocabulary_ == {"don't": 2, "caf\u00e9": 3}
    # Both forms keep their ids; only the normal form is found.
    both = TextSequencer(vocabulary=["don\u2019t", "don't", "don\u02bct"]).fit(["a b"])
    assert both.vocabulary_ == {"don\u2019t": 2, "don't": 3, "don\u02bct": 4}
    assert both.transform(["don\u2019t don't"]).tolist() == [[3, 3]]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "language", ["Hindi", "Vietnamese", "vocalised Hebrew", "Persian", "Ukrainian"]
)
def test_vectors_cover_words_of_every_script(language, form):
    words = unicodedata.normalize(form, WORDS[language]).split()
    vectors = WordVectors(words, [[1.0]] * len(words))
    assert vectors.coverage([WORDS[language]]) == 1.0
    assert all(word in vectors and vectors[word] == 1.0 for word in words)


def test_vectors_cover_a_hindi_word():
    assert WordVectors(["मेरी", "मारा"], [[1.0], [2.0]]).coverage(["मेरी"]) == 1.0


def test_a_word_without_a_vector_is_not_cut_at_its_marks():
    vectors = WordVectors(["म", "र", "do", "n't"], [[1.0]] * 4)
    assert vectors.coverage(["मेरी"]) == 0.0
    assert vectors.coverage(["don\u2019t"]) == 1.0


@pytest.mark.parametrize("mark", "'\u2019\u02bc")
def test_vectors_may_have_other_apostrophes_than_texts(mark):
    assert WordVectors([f"don{mark}t"], [[1.0]]).coverage(["don't don\u2019t don\u02bct"]) == 1.0


def test_baselines_have_the_same_words():
    texts = ["मैं खुश हूँ cafe\u0301", "don\u2019t می\u200cروم"]
    vectorizer = classic_baselines(min_df=1)["nb_svm"].set_params(vectorizer__ngram_range=(1, 1))
    words = vectorizer.fit(texts, [0, 1])["vectorizer"].vocabulary_
    assert set(words) == set(TextSequencer().fit(texts).vocabulary_)


# Scripts without spaces between words

UNSEGMENTED = {
    "Chinese": (["今天天气很好，我很喜欢这部电影。", "这部电影太无聊了"], "jieba.lcut"),
    "traditional Chinese": (["這部電影非常好看", "我不喜歡這個故事"], "jieba.lcut"),
    "Japanese": (["この映画はとても面白かったです。", "退屈な話でした"], "janome"),
    "Japanese with katakana": (["ストーリーがつまらなかった", "キャストが素晴らしい"], "janome"),
    "Thai": (["ฉันชอบหนังเรื่องนี้มาก", "หนังเรื่องนี้น่าเบื่อ"], "pythainlp"),
    "Lao": (["ຂ້ອຍມັກຮູບເງົາເລື່ອງນີ້"], "word segmenter"),
    "Khmer": (["ខ្ញុំចូលចិត្តភាពយន្តនេះណាស់"], "word segmenter"),
    "Burmese": (["ဒီရုပ်ရှင်ကိုကြိုက်တယ်"], "word segmenter"),
}


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
@pytest.mark.parametrize("language", UNSEGMENTED)
def test_text_without_spaces_is_reported_once_with_the_remedy(language, method):
    texts, segmenter = UNSEGMENTED[language]
    with pytest.warns(UserWarning, match="not split into words") as caught:
        getattr(TextSequencer(), method)(texts)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert f"{len(texts)} of {len(texts)} documents are not split into words" in message
    assert "analyzer='char'" in message
    assert segmenter in message


@pytest.mark.parametrize("language", UNSEGMENTED)
@pytest.mark.parametrize("parameters", [{"analyzer": "char"}, {"tokenizer": list}])
def test_the_remedy_ends_the_report(language, parameters):
    TextSequencer(**parameters).fit(UNSEGMENTED[language][0])


@pytest.mark.parametrize(
    "texts",
    {
        "a Chinese word in English": ["a fine film"] * 20 + ["I love 北京大学出版社 books"],
        "one Chinese text of many": ["a fine film"] * 20 + ["今天天气很好我很喜欢"],
        "a long name in a short corpus": ["the town of 中华人民共和国 in a story about a river"],
        "segmented Chinese": ["今天 天气 很 好 ， 我 喜欢 这部 电影", "实事求是"],
        "segmented Japanese": ["この 映画 は とても 面白かった です", "インターネット の 話"],
        "katakana": ["コンピューター・プログラミング", "インターネット"],
        "segmented Thai": ["ฉัน ชอบ หนัง เรื่อง นี้ มาก", "โรงพยาบาล ใหญ่"],
        "segmented Khmer": ["ខ្ញុំ ចូលចិត្ត ភាពយន្ត នេះ ណាស់"],
        "Korean": ["대한민국헌법재판소는 오늘 결정했습니다", "영화가재미있었습니다"],
        "German": ["Donaudampfschifffahrtsgesellschaftskapitän", "Fußballweltmeisterschaft"],
        "Hindi": ["मुझे यह चलचित्र बहुत पसंद आया", "अन्तरराष्ट्रीयकरण"],
        "Tamil": ["மகிழ்ச்சியாகஇருக்கிறேன்"],
        "Amharic": ["ኢትዮጵያዊነት ጥሩ ነው"],
        "Greek": ["ηλεκτροεγκεφαλογράφημα"],
    }.values(),
)
def test_text_with_spaces_is_not_reported(texts):
    TextSequencer().fit(texts)


def test_only_the_first_chunk_is_reported():
    texts, _ = UNSEGMENTED["Chinese"]
    sequencer = TextSequencer()
    with pytest.warns(UserWarning, match="not split into words"):
        sequencer.partial_fit(texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sequencer.partial_fit(texts)
        sequencer.transform(texts)
