"""Every address of the console."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

urlpatterns = [
    path("", include("tradeul_ops.console.urls")),
    path("streams/", include("streams.urls")),
    path("hypertables/", include("timescale.urls")),
    path("", include("snapshots.urls")),
    path("login/", auth.LoginView.as_view(template_name="login.html", redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
