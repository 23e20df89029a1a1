// The browser's side of helpers/upload.py: see there for the messages.
const PIECE = 1024 * 1024; // bytes: ten times below the server's limit for one message
const PATIENCE = 60_000; // ms without a word from the kernel before an attempt is given up
const ENDS = ["done", "warned", "failed"];

// No `accept` on the input: DICOM files often have no ending, and would be hidden.
const PAGE = `
  <p class="cxr-notice"></p>
  <fieldset>
    <legend>Choose a chest radiograph</legend>
    <label>PNG, JPEG or DICOM file <input type="file"></label>
    <div class="cxr-examples" role="group" aria-label="Example films"></div>
  </fieldset>
  <progress max="1" value="0" aria-label="Part of the file that was sent" hidden></progress>
  <p class="cxr-status" role="status" data-state="idle" data-run="0">No film chosen yet.</p>
  <p class="cxr-alert" role="alert"></p>
  <p class="cxr-old" hidden>The result below is of an earlier film.</p>
  <section class="cxr-result" aria-label="Result"></section>
  <button type="button" class="cxr-clear" hidden>Clear the result</button>`;

function render({ model, el }) {
  el.classList.add("cxr-panel");
  el.innerHTML = PAGE;
  const find = (selector) => el.querySelector(selector);
  const [input, controls, progress] = ["input", "fieldset", "progress"].map(find);
  const [status, alert, old] = [".cxr-status", ".cxr-alert", ".cxr-old"].map(find);
  const [result, clear] = [".cxr-result", ".cxr-clear"].map(find);
  find(".cxr-notice").textContent = model.get("notice");

  let run = 0; // attempts so far; Python sends it back with every answer
  let received = null; // resolves when the kernel has the piece just sent
  let timer = null;
  let used = null; // the control that began the attempt, to give the focus back to

  function show(state, text) {
    const ended = ENDS.includes(state);
    status.textContent = state === "failed" ? "That did not work." : text;
    alert.textContent = state === "failed" ? text : "";
    controls.disabled = !ended && state !== "idle";
    progress.hidden = state !== "sending";
    old.hidden = clear.hidden = !result.hasChildNodes();
    if (state === "done" || state === "warned") old.hidden = true;
    clearTimeout(timer);
    if (controls.disabled) timer = setTimeout(giveUp, PATIENCE);
    else used?.focus({ preventScroll: true });
    status.dataset.run = run;
    status.dataset.state = state; // last: whoever waits for it finds all the rest in place
  }

  function giveUp() {
    run += 1; // answers that come later are no longer wanted
    show("failed", `No answer from the kernel for ${PATIENCE / 1000} s. Is it busy, or stopped?`);
  }

  function begin(text, control) {
    run += 1;
    used = control;
    progress.value = 0;
    show("sending", text);
    return run;
  }

  async function send(file) {
    const mine = begin(`Sending ${file.name} …`, input);
    const limit = model.get("largest_file");
    const megabytes = (bytes) => `${Math.ceil(bytes / 1e6)} MB`;
    if (file.size > limit) {
      show("failed", `${file.name} has ${megabytes(file.size)}; at most ${megabytes(limit)} are accepted.`);
      return;
    }
    model.send({ kind: "begin", run: mine, name: file.name, size: file.size });
    for (let start = 0; start < file.size && run === mine; start += PIECE) {
      const piece = await file.slice(start, start + PIECE).arrayBuffer();
      const receipt = new Promise((resolve) => (received = resolve));
      model.send({ kind: "piece", run: mine, start }, {}, [piece]);
      await receipt;
    }
  }

  function answer(message) {
    if (message.run < run) return;
    run = message.run; // the same panel may be shown twice: both keep count
    if (message.kind === "received") {
      clearTimeout(timer);
      timer = setTimeout(giveUp, PATIENCE);
      progress.value = message.bytes / (input.files[0]?.size || message.bytes);
      received?.();
      return;
    }
    if (message.html) result.innerHTML = message.html;
    show(message.state, message.text);
  }

  input.addEventListener("change", () => {
    const file = input.files[0];
    if (file) {
      send(file).catch(() => show("failed", `The browser could not read ${file.name}.`));
    }
  });
  input.addEventListener("click", () => (input.value = "")); // the same file may be chosen again
  clear.addEventListener("click", () => {
    result.replaceChildren();
    used = input;
    show("idle", "No film chosen yet.");
  });
  for (const [name, picture] of Object.entries(model.get("thumbnails"))) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(new Image(), { src: picture, alt: "" }), name);
    button.addEventListener("click", () => {
      model.send({ kind: "example", run: begin(`Sending ${name} …`, button), name });
    });
    find(".cxr-examples").append(button);
  }
  find(".cxr-examples").hidden = !find(".cxr-examples").hasChildNodes();

  model.on("msg:custom", answer);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", answer);
  };
}

export default { render };
