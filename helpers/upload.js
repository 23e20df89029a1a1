// The browser's side of helpers/upload.py: see there for the messages.
// result.js and upload_page.js come before it.
const PIECE = 256 * 1024; // bytes: far below the server's limit for one message, soon sent on a slow line
const AHEAD = 16 * PIECE; // bytes that may be under way without the kernel's receipt
const ENDS = ["done", "warned", "failed"];

function render({ model, el }) {
  el.classList.add("cxr-panel");
  // JupyterLab's shortcuts, arrows among them, would act on the notebook; it asks the focused element.
  el.addEventListener("focusin", ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", ""));
  // A browser would drop a picture of the page as a file: a map is no film to be asked about.
  el.addEventListener("dragstart", (event) => event.target.tagName === "IMG" && event.preventDefault());
  el.innerHTML = PAGE;
  const find = (selector) => el.querySelector(selector);
  const [input, controls, progress] = ["[type=file]", "fieldset", "progress"].map(find);
  const [status, alert, old] = [".cxr-status", ".cxr-alert", ".cxr-old"].map(find);
  const [result, clear, path] = [".cxr-result", ".cxr-clear", ".cxr-path"].map(find);
  const field = path.querySelector("input");
  const spoken = Object.assign(document.createElement("span"), { className: "cxr-spoken" });
  const missed = document.createElement("span"); // in the status: what was dropped meanwhile
  const choice = { opacity: 0.7, signed: false }; // how maps are shown
  const voila = document.body.hasAttribute("data-voila");
  find(".cxr-notice").textContent = model.get("notice");
  path.hidden = !model.get("path_box");

  // Two views of a panel may count alike; what Python sends back with every answer tells them apart.
  const view = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  let run = model.get("runs") ?? 0; // attempts so far; so is this
  let own = 0; // the attempt that this view began and that has not ended, or 0
  let received = null; // bytes of it that the kernel has; null before it has said so
  let reading = null; // byte of it from which on the browser reads the file, or null
  let total = 0; // bytes that are to be sent: none for an example or a path
  let heard = null; // resolves when the kernel says something
  let timer = null;
  let used = null; // the control that began the attempt, to give the focus back to

  function show(state, text, asked = true) {
    const ended = ENDS.includes(state);
    const busy = !ended && state !== "idle";
    status.textContent = state === "failed" ? "That did not work." : text;
    spoken.textContent = ended ? alsoSpoken(state) : "";
    if (missed.textContent) missed.textContent = state === "idle" ? "" : notRead(busy);
    status.append(missed, spoken);
    alert.textContent = state === "failed" ? text : "";
    controls.disabled = clear.disabled = busy;
    result.setAttribute("aria-busy", busy);
    progress.hidden = state !== "sending" || !total;
    const kept = result.hasChildNodes();
    old.hidden = !kept || state === "done" || state === "warned";
    clear.hidden = !kept && state !== "failed"; // the message and the field may name the file, too
    clear.textContent = kept ? "Clear the result" : "Clear the message";
    clearTimeout(timer);
    if (busy) wait(model.get(state === "sending" ? "first_patience" : "patience"));
    else own = 0;
    // Disabling took the focus away; whoever has put it elsewhere in the meantime keeps it there.
    if (!busy && document.activeElement?.contains(el)) used?.focus({ preventScroll: true });
    // Out of sight, it would leave an old result to look new.
    if (state === "failed" && asked) alert.scrollIntoView({ block: "nearest" });
    status.dataset.run = run;
    status.dataset.state = state; // last: whoever waits for it finds all the rest in place
  }

  // What is on the page but in no live region: the warnings, or that the result is an earlier film's.
  function alsoSpoken(state) {
    if (state === "failed") return result.hasChildNodes() ? ` ${old.textContent}` : "";
    const warnings = [...result.querySelectorAll(".cxr-warnings li")];
    return warnings.map((warning) => ` Warning: ${warning.textContent}`).join("");
  }

  function wait(seconds) {
    clearTimeout(timer);
    timer = setTimeout(() => end(silence(seconds)), seconds * 1000);
  }

  function silence(seconds) {
    // The kernel that has all that could be sent owes no answer.
    if (reading !== null && reading === received) return silenceOfTheDisk(seconds);
    return silenceOfTheKernel(seconds, received !== null && received < total, voila);
  }

  // End an attempt from here: what the kernel may still answer to it is no longer wanted.
  function end(text) {
    cancel();
    run += 1;
    show("failed", text);
    heard?.();
  }

  // The kernel need not keep what it has of this view's attempt.
  function cancel() {
    const given = own;
    own = 0;
    if (given) post({ kind: "cancel", run: given });
  }

  function post(message, buffers = []) {
    try {
      model.send({ ...message, view }, {}, buffers);
    } catch {
      // The connection of the panel was closed. After `cancel` nothing is left to be told of.
      if (own) end(`The kernel was restarted or stopped, and cannot be reached: ${cure(voila)}.`);
    }
  }

  function begin(text, control, size = 0) {
    own = run += 1;
    used = control;
    // No field may go on naming a film that is not the one asked about.
    for (const other of [input, field]) if (other !== control) other.value = "";
    received = reading = null;
    missed.textContent = "";
    progress.value = 0;
    total = size;
    show("sending", text);
    return own;
  }

  async function send(file) {
    const name = file.name.replace(TURNS, "");
    const mine = begin(`Sending ${name} …`, input, file.size);
    const limit = model.get("largest_file");
    if (file.size > limit) {
      show("failed", tooLarge(name, file.size, limit));
      return;
    }
    post({ kind: "begin", run: mine, name, size: file.size });
    for (let start = 0; own === mine && start < file.size; start += PIECE) {
      reading = start;
      const piece = await read(file, start);
      if (own === mine) reading = null;
      while (own === mine && start - received >= AHEAD) await new Promise((tell) => (heard = tell));
      if (own !== mine) return;
      if (piece) post({ kind: "piece", run: mine, start }, [piece]);
      else end(`The browser could not read ${name}. Choose it again.`);
    }
  }

  // Bytes of the file from `start` on, or nothing if the browser cannot have them.
  function read(file, start) {
    return file.slice(start, start + PIECE).arrayBuffer().catch(() => null);
  }

  function answer(message) {
    if (message.view === view ? message.run !== own : !isNews()) return;
    if (message.run > run) missed.textContent = ""; // of an attempt before this one
    run = Math.max(run, message.run); // the same panel may be shown twice: both keep count
    if (message.kind === "received") receipt(message);
    else {
      if (message.view !== view) {
        used = null; // the focus is the other view's to give back
        input.value = field.value = ""; // the film that is shown was chosen in another view
      }
      if (message.html) {
        result.innerHTML = message.html;
        bringToLife(result, message.record, choice);
      }
      const asked = message.view === view; // or this page may be read elsewhere
      show(message.state, message.text, asked);
      // As much of it as fits, and its beginning in any case, wherever the page was scrolled to.
      const seen = message.html && asked ? [result, result.firstElementChild] : [];
      for (const part of seen) part?.scrollIntoView({ block: "nearest" });
    }
    heard?.();
  }

  // Whether what another view is told concerns this one. The kernel does one thing after the other:
  // before it has begun this view's attempt, what it says is of an older one; after that, of a newer
  // one, in whose favour it has dropped this.
  function isNews() {
    if (!own) return true;
    if (received === null) return false;
    show("failed", "A newer film was sent from another view of this panel.");
    return true;
  }

  // A receipt concerns the view that sends, and no other.
  function receipt({ bytes, view: sender }) {
    if (sender !== view) return;
    wait(model.get("patience"));
    received = bytes;
    progress.value = total && received / total;
  }

  input.addEventListener("change", () => input.files[0] && send(input.files[0]));
  input.addEventListener("click", () => (input.value = "")); // the same file may be chosen again

  // A browser would leave the page and open what is dropped. Beside the panel Voilà's page has
  // nothing that takes files; JupyterLab has, and within the panel it would take one for a cell's.
  function dropped(event) {
    const { files, types } = event.dataTransfer;
    if (event.defaultPrevented || (event.target === field && !types.includes("Files"))) return;
    event.preventDefault();
    event.stopPropagation();
    // Words that were marked and dropped by accident are not worth a message.
    if (event.type !== "drop" || (!files.length && !types.includes("text/uri-list"))) return;
    if (controls.disabled) {
      missed.textContent = notRead(true);
      return;
    }
    input.value = "";
    const reason = whyNoFilm(event.dataTransfer);
    if (!reason) return send(files[0]);
    begin("Looking at what was dropped …", input);
    show("failed", reason);
  }
  const place = voila ? document : el;
  for (const kind of ["dragover", "drop"]) place.addEventListener(kind, dropped);

  function ask() {
    if (!field.value.trim()) return;
    post({ kind: "path", run: begin("Asking for the file …", field), name: field.value });
  }
  path.querySelector("button").addEventListener("click", ask);
  // Enter that ends the composing of a word (Japanese, Chinese, Korean) asks for nothing yet.
  field.addEventListener("keydown", ({ key, isComposing }) => key === "Enter" && !isComposing && ask());
  clear.addEventListener("click", () => {
    result.replaceChildren();
    input.value = field.value = ""; // neither shows the name any longer
    show("idle", "No film chosen yet.");
    input.focus();
  });
  for (const [name, picture] of Object.entries(model.get("thumbnails"))) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(new Image(), { src: picture, alt: "" }), name);
    button.addEventListener("click", () => {
      post({ kind: "example", run: begin(`Sending ${name} …`, button), name });
    });
    find(".cxr-examples").append(button);
  }
  find(".cxr-examples").hidden = !find(".cxr-examples").hasChildNodes();

  status.dataset.run = run;
  model.on("msg:custom", answer);
  addEventListener("pagehide", cancel); // the kernel outlives the page, and should forget the file
  return () => {
    removeEventListener("pagehide", cancel);
    clearTimeout(timer);
    model.off("msg:custom", answer);
    for (const kind of ["dragover", "drop"]) place.removeEventListener(kind, dropped);
    cancel();
  };
}

export default { render };
