// The upload panel before any result: its HTML, and what it says of itself. upload.js comes after it.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // marks that turn a line of text round

// No `accept` on the input: DICOM files often have no ending, and would be hidden.
const PAGE = `
  <p class="cxr-notice"></p>
  <fieldset class="cxr-choose">
    <legend>Choose a chest radiograph</legend>
    <label>PNG, JPEG or DICOM file <input type="file"></label> or drop it here
    <div class="cxr-path" hidden>
      <label>or a path on the kernel's machine <input type="text" spellcheck="false"></label>
      <button type="button">Read it</button>
    </div>
    <div class="cxr-examples" role="group" aria-label="Example films"></div>
  </fieldset>
  <progress max="1" value="0" aria-label="Part of the file that was sent" hidden></progress>
  <p class="cxr-status" role="status" data-state="idle" data-run="0">No film chosen yet.</p>
  <p class="cxr-alert" role="alert"></p>
  <p class="cxr-old" hidden>The result below is of an earlier film.</p>
  <section class="cxr-result" aria-label="Result"></section>
  <button type="button" class="cxr-clear" hidden></button>`;

function tooLarge(name, size, limit) {
  // Rounded apart, or a file just above the limit would seem to be within it.
  const found = (Math.ceil(size / 1e5) / 10).toFixed(1);
  const most = (Math.floor(limit / 1e5) / 10).toFixed(1);
  return `${name} has ${found} MB; at most ${most} MB are accepted.`;
}

// Why what was dropped cannot be read as one film, or nothing if it can.
function whyNoFilm({ files, items }) {
  if (!files.length) return "What was dropped is no file. Save it to the disk first, and drop it from there.";
  if (files.length > 1) return `${files.length} files were dropped; drop one film at a time.`;
  const folder = items[0]?.webkitGetAsEntry?.()?.isDirectory;
  return folder ? `${files[0].name.replace(TURNS, "")} is a folder; drop one film of it.` : "";
}

function notRead(busy) {
  const first = busy ? "wait until this film is done, then " : "";
  return ` What was dropped meanwhile was not read: ${first}drop it again.`;
}

function silenceOfTheDisk(seconds) {
  const found = `The browser got nothing of the file from the disk for ${seconds} s.`;
  return `${found} Copy it to a faster disk, or choose it again.`;
}

function silenceOfTheKernel(seconds, isArriving, voila) {
  const slow = isArriving ? "The line may be too slow for this file. " : "";
  return `No answer from the kernel for ${seconds} s. ${slow}${cureOfSilence(voila)}`;
}

function cureOfSilence(voila) {
  if (voila) return `It may have been stopped, as after a long time without use: ${cure(voila)}.`;
  return `If it is busy, try again when it has finished. If it was stopped, ${cure(voila)}.`;
}

function cure(voila) {
  return voila ? "reload this page" : "run the panel's cell again";
}
