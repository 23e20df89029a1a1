# The web page of notebook 08 in a container: docs/hosting.md says how to use it, and what was tried.
#
#     docker build --tag cxr-page .
#     docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:7860:7860 cxr-page
#
# tests/test_hosting.py runs these steps without Docker, in a plain virtual environment.
FROM python:3.12-slim

# Hosts such as Hugging Face Spaces run a container as user 1000, never as root.
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app
ENV VIRTUAL_ENV=/home/user/venv PATH=/home/user/venv/bin:$PATH PYTHONUNBUFFERED=1

# The packages first: they are made anew only when their list changes.
COPY --chown=user requirements.txt ./
RUN python -m venv /home/user/venv
RUN python -m pip install --quiet --no-cache-dir "$(grep '^uv==' requirements.txt)"
RUN uv pip install --quiet --no-cache --compile-bytecode -r requirements.txt

# Then the phantoms and the model, which the build makes itself: nothing else comes from outside.
COPY --chown=user helpers helpers
COPY --chown=user phantoms phantoms
COPY --chown=user notebooks notebooks
COPY --chown=user docs/study docs/study
COPY --chown=user data/weights data/weights
RUN python notebooks/serve.py --prepare

EXPOSE 7860
CMD ["python", "notebooks/serve.py", "--ip=0.0.0.0", "--port=7860", "--no-browser", "--embedded-in=https://huggingface.co"]
