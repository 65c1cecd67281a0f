# Home Assistant writes the options for root only, and starts this as root. The server runs as levity.
set -eu
cd /data
chown levity: . options.json
as_levity="setpriv --reuid=levity --regid=levity --clear-groups --no-new-privs"

settings=$($as_levity python -m levity_trio.deploy.add_on)
eval "$settings"
[ "$LEVITY_MQTT" != off ] || LEVITY_MQTT=

IFS=,
set -- $LEVITY_API_ALLOWED_HOSTS
unset IFS
if [ $# = 0 ]; then
    echo "levity-trio: the option addresses is empty; give the names and addresses by which you open this machine" >&2
    exit 1
fi
# What fits is left as it is.
$as_levity levity-trio certificate pages --organization "$LEVITY_SERVER_NAME" -- "$@"
first=$1
case $first in *:*) first="[$first]" ;; esac
export LEVITY_API_TLS_CERT=/data/levity.db.pages/site.pem
export LEVITY_PUBLIC_URL="https://$first:@@{api_port}" LEVITY_DRIVERS_URL="https://$first:@@{drivers_port}"

# As soon as the server answers: while nobody has a password, the log shows a link for the first log-in.
admit() {
    users="$as_levity levity-trio user"
    until [ -S levity.db.sock ] && list=$($users list --json 2>/dev/null); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 1
    done
    case $list in
    *'"has_password": true'*) ;;
    *) $users invite admin --link 2>/dev/null || $users add admin --role admin --link ;;
    esac
}
# Its parent is then the init of the container, not the server.
(admit $$ &)

exec $as_levity levity-trio serve
