#include "daemon/local/front_page.hpp"

namespace bridge55::local {
namespace {

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>bridge55</title>
<style>
body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem;color:#1c2733;background:#fafbfc}
h1{font-size:1.2rem}h2{font-size:1rem;margin-top:1.5rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #dde3ea}
.up{color:#087443}.down,.rejected,.blocked{color:#b42318}
#tail{font:12px/1.5 ui-monospace,monospace;white-space:pre;overflow:auto;height:24rem;background:#fff;border:1px solid #dde3ea;padding:.5rem}
input{font:inherit;padding:.2rem .4rem}
</style></head><body>
<h1>bridge55 <small id="about"></small></h1>
<h2>Sessions</h2><table id="sessions"></table>
<h2>Sinks</h2><table id="sinks"></table>
<h2>Live tail</h2>
<p><input id="filter" placeholder="source=abp&amp;channel=orders" size="40"> <button id="go">Apply</button></p>
<div id="tail"></div>
<script>
const $=id=>document.getElementById(id);
function rows(table,heads,items){
  table.textContent='';
  const line=(tag,cells)=>{const tr=table.insertRow();for(const c of cells){const e=document.createElement(tag);e.textContent=c??'';e.className=String(c);tr.append(e)}};
  line('th',heads);for(const i of items||[])line('td',heads.map(h=>i[h]));
}
async function status(){
  try{
    const s=await (await fetch('/status')).json();
    $('about').textContent=`${s.version??''}, up ${s.uptime_seconds??0} s`;
    rows($('sessions'),['source','slot','state','since','last_event_at','seq','reconnects'],s.sessions);
    rows($('sinks'),['name','state','confirmed_id','lag_events','lag_seconds'],s.sinks);
  }catch(e){$('about').textContent='not reachable'}
}
let stream;
function tail(){
  if(stream)stream.close();
  stream=new EventSource('/events?'+$('filter').value);
  stream.onmessage=m=>{
    const t=$('tail'),bottom=t.scrollHeight-t.scrollTop-t.clientHeight<40;
    t.append(m.data+'\n');
    while(t.childNodes.length>500)t.firstChild.remove();
    if(bottom)t.scrollTop=t.scrollHeight;
  };
}
$('go').onclick=tail;status();setInterval(status,2000);tail();
</script></body></html>
)html";

}  // namespace

Answer front_page() {
  Answer answer{200, "text/html; charset=utf-8", std::string(kPage), {}};
  answer.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"Referrer-Policy", "no-referrer"}};
  return answer;
}

}  // namespace bridge55::local
