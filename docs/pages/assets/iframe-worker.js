/* The search runs in a Worker, which browsers refuse to pages opened from a folder. There, a hidden frame stands in. */
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = Object.assign(document.createElement("iframe"), { hidden: true, srcdoc: "<body></body>" })
      this.loaded = new Promise(done => { this.frame.onload = done }).then(() => {
        this.inside = this.frame.contentWindow
        this.inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
        this.inside.importScripts = (...urls) => Promise.all(urls.map(src => this.load(src)))
        return this.load(url)
      })
      document.body.append(this.frame)
    }

    load(src) {
      return new Promise((done, failed) => {
        const script = this.inside.document.createElement("script")
        this.inside.document.body.append(Object.assign(script, { src, onload: done, onerror: failed }))
      })
    }

    postMessage(data) {
      this.loaded.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
