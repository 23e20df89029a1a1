// The browser's side of helpers/upload.py: see there for the messages. result.js comes before it.
const PIECE = 1024 * 1024; // bytes: ten times below the server's limit for one message
const AHEAD = 4 * PIECE; // bytes that may be under way without the kernel's receipt
const PATIENCE = 60_000; // ms without a word from the kernel before an attempt is given up
const ENDS = ["done", "warned", "failed"];

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
  <button type="button" class="cxr-clear" hidden>Clear the result</button>`;

function render({ model, el }) {
  el.classList.add("cxr-panel");
  // JupyterLab's shortcuts, arrows among them, would act on the notebook; it asks the focused element.
  el.addEventListener("focusin", ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", ""));
  el.innerHTML = PAGE;
  const find = (selector) => el.querySelector(selector);
  const [input, controls, progress] = ["[type=file]", "fieldset", "progress"].map(find);
  const [status, alert, old] = [".cxr-status", ".cxr-alert", ".cxr-old"].map(find);
  const [result, clear, path] = [".cxr-result", ".cxr-clear", ".cxr-path"].map(find);
  const field = path.querySelector("input");
  const spoken = Object.assign(document.createElement("span"), { className: "cxr-spoken" });
  const choice = { opacity: 0.7, signed: false }; // how maps are shown
  find(".cxr-notice").textContent = model.get("notice");
  path.hidden = !model.get("path_box");

  let run = 0; // attempts so far; Python sends it back with every answer
  let received = 0; // bytes of this attempt that the kernel has
  let total = 1; // bytes of this attempt
  let heard = null; // resolves when the kernel says something
  let timer = null;
  let used = null; // the control that began the attempt, to give the focus back to

  function show(state, text) {
    const ended = ENDS.includes(state);
    const busy = !ended && state !== "idle";
    status.textContent = state === "failed" ? "That did not work." : text;
    spoken.textContent = ended ? alsoSpoken(state) : "";
    status.append(spoken);
    alert.textContent = state === "failed" ? text : "";
    controls.disabled = clear.disabled = busy;
    result.setAttribute("aria-busy", busy);
    progress.hidden = state !== "sending";
    old.hidden = clear.hidden = !result.hasChildNodes();
    if (state === "done" || state === "warned") old.hidden = true;
    clearTimeout(timer);
    if (busy) timer = setTimeout(giveUp, PATIENCE);
    // Disabling took the focus away; whoever has put it elsewhere in the meantime keeps it there.
    else if (document.activeElement?.contains(el)) used?.focus({ preventScroll: true });
    status.dataset.run = run;
    status.dataset.state = state; // last: whoever waits for it finds all the rest in place
  }

  // What is on the page but in no live region: the warnings, or that the result is an earlier film's.
  function alsoSpoken(state) {
    if (state === "failed") return result.hasChildNodes() ? ` ${old.textContent}` : "";
    const warnings = [...result.querySelectorAll(".cxr-warnings li")];
    return warnings.map((warning) => ` Warning: ${warning.textContent}`).join("");
  }

  function giveUp() {
    run += 1; // answers that come later are no longer wanted
    show("failed", `No answer from the kernel for ${PATIENCE / 1000} s. Is it busy, or stopped?`);
    heard?.();
  }

  function begin(text, control) {
    run += 1;
    used = control;
    received = progress.value = 0;
    show("sending", text);
    return run;
  }

  function attempt(file) {
    send(file).catch(() => show("failed", `The browser could not read ${file.name}.`));
  }

  async function send(file) {
    const mine = begin(`Sending ${file.name} …`, input);
    const limit = model.get("largest_file");
    if (file.size > limit) {
      const [found, most] = [file.size, limit].map((bytes) => `${Math.round(bytes / 1e6)} MB`);
      show("failed", `${file.name} has ${found}; at most ${most} are accepted.`);
      return;
    }
    total = file.size || 1;
    model.send({ kind: "begin", run: mine, name: file.name, size: file.size });
    for (let start = 0; start < file.size; start += PIECE) {
      const piece = await file.slice(start, start + PIECE).arrayBuffer();
      while (wanted(mine) && start - received >= AHEAD) await new Promise((tell) => (heard = tell));
      if (!wanted(mine)) return;
      model.send({ kind: "piece", run: mine, start }, {}, [piece]);
    }
  }

  const wanted = (mine) => run === mine && status.dataset.state === "sending";

  function answer(message) {
    if (message.run < run) return;
    run = message.run; // the same panel may be shown twice: both keep count
    if (message.kind === "received") {
      clearTimeout(timer);
      timer = setTimeout(giveUp, PATIENCE);
      received = message.bytes;
      progress.value = received / total;
    } else {
      if (message.html) {
        result.innerHTML = message.html;
        bringToLife(result, message.record, choice);
      }
      show(message.state, message.text);
      if (message.html) result.scrollIntoView({ block: "nearest" });
    }
    heard?.();
  }

  input.addEventListener("change", () => input.files[0] && attempt(input.files[0]));
  input.addEventListener("click", () => (input.value = "")); // the same file may be chosen again
  for (const kind of ["dragover", "drop"]) {
    controls.addEventListener(kind, (event) => {
      event.preventDefault(); // a browser would leave the page and open the file
      event.stopPropagation(); // JupyterLab would take it for a cell's
      const file = event.dataTransfer.files[0]; // none while it is only dragged over
      if (kind === "drop" && file && !controls.disabled) attempt(file);
    });
  }
  function ask() {
    if (!field.value.trim()) return;
    model.send({ kind: "path", run: begin("Asking for the file …", field), name: field.value });
  }
  path.querySelector("button").addEventListener("click", ask);
  field.addEventListener("keydown", ({ key }) => key === "Enter" && ask());
  clear.addEventListener("click", () => {
    result.replaceChildren();
    show("idle", "No film chosen yet.");
    input.focus();
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
