// The key that was meant, whatever the keyboard's layout: shortcuts are digits and Latin letters. On
// French and Czech keyboards digits need Shift, on Russian, Greek or Arabic ones there are no Latin
// letters; there the place of the key counts, which has the digit or letter on it too.
function meant(event) {
  const key = event.key.toLowerCase();
  const [, digit, letter] = /^(?:Digit([1-9])|Key([A-Z]))$/.exec(event.code) || [];
  if (digit && !event.shiftKey && !event.getModifierState("AltGraph")) return digit;
  const foreign = /^\p{L}$/u.test(key) && !/\p{Script=Latin}/u.test(key);
  return foreign && letter ? letter.toLowerCase() : key;
}
